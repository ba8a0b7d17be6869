"""What the layers share that turn tokens, texts or whole numbers, into numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fastgru.layers.layer import Layer
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.layers.workspace import Call
from fastgru.types import Array, Shape

__all__ = ["TokenLayer", "batches", "counts", "encoded", "listed", "refuse_path"]


class TokenLayer(Layer):
    """Base of the layers that no gradient goes through."""

    takes_tokens = True
    _supports_masking = False
    output_mode: str

    @property
    def output_dtype(self) -> str:
        """The dtype of what comes out."""
        return "int64" if self.output_mode == "int" else self.dtype

    def compute_output_spec(self, *inputs: SymbolicTensor) -> list[tuple[Shape, str]]:
        return [(shape, self.output_dtype) for shape, _ in super().compute_output_spec(*inputs)]

    def check_inputs(self, *inputs: Array) -> None:
        """Every input goes: what is in it shows as it is read."""

    def backward(self, call: Call, *d_outputs: Array | None) -> None:
        return None

    # --- what a file keeps beside the config ----------------------------------------------------------

    def stored_files(self) -> dict[str, bytes]:
        """The files that Keras keeps of the layer, by their names."""
        return {}

    def stored_arrays(self) -> dict[str, Array]:
        """The arrays that Keras keeps of the layer and that are no weights, by their names."""
        return {}

    def restoring(self, files: Mapping[str, bytes], arrays: Mapping[str, Array]) -> Callable[[], None]:
        """Check what `stored_files` and `stored_arrays` gave; the answer takes it."""
        return lambda: None


def batches(data: Any, steps: int | None, single_list: bool = True) -> Iterator[Any]:
    """The batches that `adapt` reads: an array or a list is one batch, a data set or a generator yields them.

    Parameters
    ----------
    data
    steps : int, optional
        How many batches to read of what yields them.
    single_list : bool
        Whether a list is one batch.
    """
    if hasattr(data, "__array__") or (single_list and isinstance(data, (list, tuple, str, bytes))):
        yield data
        return
    if not hasattr(data, "__iter__"):
        raise TypeError(f"adapt: expected an array, a list, or batches of them, got {type(data).__name__}.")
    for step, batch in enumerate(data):
        if steps is not None and step >= steps:
            break
        yield batch


def encoded(indices: Array, mode: str, depth: int, dtype: str, weights: Array | None = None) -> Array:
    """Indices along the last axis as zeros and ones, or as how often each is there; those out of range leave nothing.

    Parameters
    ----------
    indices : (..., n) int ndarray
    mode : {"one_hot", "multi_hot", "count", "tf_idf"}
    depth : int
        Length of the new last axis.
    dtype : str
    weights : (..., n) ndarray, optional
        What an index counts for; 1 where absent.

    Returns
    -------
    ndarray
        (..., n, depth) for "one_hot", where an n of 1 goes, else (..., depth).
    """
    if mode == "one_hot":
        if indices.ndim > 1 and indices.shape[-1] == 1:
            indices = indices[..., 0]
        return np.asarray(indices[..., np.newaxis] == np.arange(depth), dtype)
    rows = indices.reshape(-1, indices.shape[-1]) if indices.ndim else indices.reshape(1, 1)
    counted = counts(np.repeat(np.arange(len(rows)), rows.shape[1]), rows.ravel(), len(rows), depth, weights)
    shape = (*indices.shape[:-1], depth) if indices.ndim else (depth,)
    return np.asarray(counted > 0 if mode == "multi_hot" else counted, dtype).reshape(shape)


def counts(rows: Array, indices: Array, count: int, depth: int, weights: Array | None = None) -> Array:
    """How often each index from 0 to `depth` stands in each of `count` rows."""
    inside = (indices >= 0) & (indices < depth)
    places = rows[inside] * depth + indices[inside]
    of_places = None if weights is None else weights.ravel()[inside]
    return np.bincount(places, of_places, minlength=count * depth).reshape(count, depth)


def listed(values: Any) -> Any:
    """An array or a sequence as a config has it."""
    return None if values is None else np.asarray(values, dtype=object).tolist()


def refuse_path(name: str, config: Mapping[str, Any]) -> None:
    """ValueError where a config names a file: opening a model opens no other file."""
    if isinstance(config.get("vocabulary"), str):
        raise ValueError(
            f"{name}: the config names the vocabulary file {config['vocabulary']!r}, and no file is opened that a "
            "config names; read it and call set_vocabulary."
        )
