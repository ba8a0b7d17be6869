"""Predictions of Dask's arrays."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np

from fastgru import tree
from fastgru.dask.blocks import answer
from fastgru.models import Model
from fastgru.types import Array

__all__ = ["predict_arrays"]


def predict_arrays(network: Model, on_worker: Any, collection: Any, options: dict[str, Any]) -> Any:
    """The answers to arrays, as `fastgru.dask.predict` describes them; `on_worker` is the model as a task."""
    leaves = tree.flatten(collection)
    for leaf in leaves:
        if not isinstance(leaf, da.Array):
            raise TypeError(
                "fastgru.dask.predict: expected arrays or frames of Dask, or a list or dict of its arrays, got "
                f"{type(leaf).__name__}; Model.predict takes what is in memory."
            )
        if any(np.isnan(size) for size in leaf.shape[1:]):
            raise ValueError(
                "fastgru.dask.predict: expected arrays of which only the number of samples may be unknown, got the "
                f"shape {leaf.shape}; call compute_chunk_sizes() on it."
            )
    leaves = [leaf.rechunk(dict.fromkeys(range(1, leaf.ndim), -1)) for leaf in leaves]
    one_sample = tree.pack_sequence_as(collection, [np.zeros((1, *leaf.shape[1:]), leaf.dtype) for leaf in leaves])
    answer_of_one = answer(one_sample, network, **options)
    # axis 0, the samples, is that of all of them; no other axis is another array's
    axes = [("samples", *(f"{number}.{axis}" for axis in range(1, leaf.ndim))) for number, leaf in enumerate(leaves)]
    pairs = [part for pair in zip(leaves, axes, strict=True) for part in pair]
    structure = tree.map_structure(lambda _: None, collection)
    blocks = da.blockwise(
        _answer_block, ("samples",), *pairs, model=on_worker, structure=structure, **options,
        concatenate=True, dtype=object, meta=np.empty(0, object), token="fastgru-predict",
    )  # fmt: skip
    outputs = [
        blocks.map_blocks(
            _output, number, dtype=part.dtype, meta=np.empty((0,) * part.ndim, part.dtype),
            new_axis=list(range(1, part.ndim)), chunks=(blocks.chunks[0], *part.shape[1:]),
        )
        for number, part in enumerate(tree.flatten(answer_of_one))
    ]  # fmt: skip
    return tree.pack_sequence_as(answer_of_one, outputs)


def _answer_block(*arrays: Array, structure: Any, **options: Any) -> list[Array]:
    return tree.flatten(answer(tree.pack_sequence_as(structure, arrays), **options))


def _output(answers: list[Array], number: int) -> Array:
    return answers[number]
