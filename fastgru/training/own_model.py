"""Models of one's own with a `call`: what goes in and comes out is known once the first data have been seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import data, tree
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
    elif isinstance(x, (list, tuple)) and x and all(hasattr(entry, "shape") and entry.shape for entry in x):
        names = [f"input_{index}" for index in range(len(x))]
        structure = type(x)([Place(index) for index in range(len(x))])
    else:
        names, structure = None, Place(0)
    model.input_names, model.input_structure = names, structure
    sources = [data.source(x, "x")] if names is None else data.inputs(x, names)
    model.own_dtypes = [model.dtype if source.dtype.kind == "f" else None for source in sources]
    if model.output_structure is None and model.runs_call:
        _run(model, sources, model.own_dtypes)


def _run(model: Any, sources: Sequence[Any], dtypes: Sequence[str | None]) -> None:
    """Run a model of one's own on the first rows and note what comes out."""
    rows: list[Array] = [np.asarray(source[:_ROWS], dtype) for source, dtype in zip(sources, dtypes, strict=True)]
    leaves = [rows[leaf.index] for leaf in tree.flatten(model.input_structure)]
    with assigning(False):
        outputs = model(tree.pack_sequence_as(model.input_structure, leaves), training=False)
    model.clear_losses()
    model.output_structure = tree.map_structure(lambda _: None, outputs)
    model.own_shapes = [(None, *np.shape(y)[1:]) for y in tree.flatten(outputs)]
    if isinstance(outputs, dict):
        model.output_names = sorted(outputs)
    elif isinstance(outputs, (list, tuple)) and len(outputs) > 1:
        model.output_names = [f"output_{index + 1}" for index in range(len(outputs))]
    if model.compiled and model.output_names is not None:
        model.compile_objective()
