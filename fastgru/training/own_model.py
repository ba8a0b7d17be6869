"""Models of one's own with a `call`: what goes in and comes out is known once the first data have been seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import data, tree
from fastgru.data import Sequences
from fastgru.layers.context import assigning
from fastgru.layers.symbolic import Place
from fastgru.types import Array

__all__ = ["see"]

_ROWS = 2  # of the first data, on which a model that is not built runs


def see(model: Any, x: Any) -> None:
    """Take over how the inputs of a model of one's own are nested, one, a list or a dict by name, and run it once."""
    if not model.takes_any:
        return
    if isinstance(x, dict):
        names: list[str] | None = sorted(x)
        structure: Any = {name: Place(index) for index, name in enumerate(sorted(x))}
    elif _is_several(x):
        names = [f"input_{index}" for index in range(len(x))]
        structure = type(x)([Place(index) for index in range(len(x))])
    else:
        names, structure = None, Place(0)
    model.input_names, model.input_structure = names, structure
    sources = [data.source(x, "x")] if names is None else data.inputs(x, names)
    model.own_dtypes = [model.dtype if source.dtype.kind == "f" else None for source in sources]
    if model.output_structure is None and model.runs_call:
        _run(model, sources, model.own_dtypes)


def _is_several(x: Any) -> bool:
    """Whether a list is one of inputs, which have equally many samples; else it is one of sequences or of numbers."""
    if not isinstance(x, (list, tuple)) or not all(hasattr(entry, "shape") and entry.shape for entry in x):
        return False
    return len({entry.shape[0] for entry in x}) == 1


def _run(model: Any, sources: Sequence[Any], dtypes: Sequence[str | None]) -> None:
    """Run a model of one's own on the first rows and note what comes out."""
    rows: list[Array] = [
        np.asarray(source[:1].whole() if isinstance(source, Sequences) else source[:_ROWS], dtype)
        for source, dtype in zip(sources, dtypes, strict=True)
    ]
    outputs = _outputs(model, rows)
    model.output_structure = tree.map_structure(lambda _: None, outputs)
    model.own_shapes = [(None, *np.shape(y)[1:]) for y in tree.flatten(outputs)]
    if any(isinstance(source, Sequences) for source in sources):  # axes that follow the steps are of no fixed length
        longer = _outputs(model, [np.concatenate([x, x], axis=1) for x in rows])
        model.own_shapes = [
            tuple(a if a == b else None for a, b in zip(shape, np.shape(y), strict=True))
            for shape, y in zip(model.own_shapes, tree.flatten(longer), strict=True)
        ]
    if isinstance(outputs, dict):
        model.output_names = sorted(outputs)
    elif isinstance(outputs, (list, tuple)) and len(outputs) > 1:
        model.output_names = [f"output_{index + 1}" for index in range(len(outputs))]
    if model.compiled and model.output_names is not None:
        model.compile_objective()


def _outputs(model: Any, rows: Sequence[Array]) -> Any:
    leaves = [rows[leaf.index] for leaf in tree.flatten(model.input_structure)]
    with assigning(False):
        outputs = model(tree.pack_sequence_as(model.input_structure, leaves), training=False)
    model.clear_losses()
    return outputs
