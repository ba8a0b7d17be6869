"""An ONNX file as a model of fastgru."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy.typing as npt

from fastgru.layers.core.identity import Identity
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.models.functional import Functional
from fastgru.onnx.drawing import Drawing
from fastgru.onnx.graph import Graph, fixed, parsed
from fastgru.onnx.graph_model import GraphModel
from fastgru.saving.endpoints import FileLike, name_of, source_of
from fastgru.saving.report import reading

__all__ = ["load_model"]

_FAMILIES = ("elementwise", "linear", "normalization", "recurrent", "reductions", "shapes", "shaping", "spatial")
_MAX_BYTES = 1 << 31  # what a message of protobuf can have


def load_model(
    filepath: FileLike,
    outputs: Sequence[str] | None = None,
    constants: Mapping[str, npt.ArrayLike] | None = None,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
) -> Functional:
    """A model that runs, and trains, as an ONNX file says.

    GRU, LSTM and RNN nodes become the layers `GRU`, `LSTM` and `SimpleRNN`, two directions `Bidirectional`; products
    with weights of the file `Dense`, convolutions `Conv1D` and `Conv2D`; what stands between them operations.

    Parameters
    ----------
    filepath : path or binary file
        Tensors that stand in other files are read from the folder of a path.
    outputs : list of str, optional
        Values of the graph at which the model stops, in the place of its own outputs.
    constants : dict of str to array_like, optional
        Inputs that the model shall not have, and what they always are: the sampling rate, say.
    shapes : dict of str to tuple, optional
        Shapes of inputs, None where a size stays free: more is known then of a graph that branches on sizes.

    Returns
    -------
    Functional
        Its inputs are called as those of the graph, its outputs as far as they are layers of their own.

    Raises
    ------
    ModelFileError
        The file is damaged, or has an operator, or an option of one, that fastgru does not know; the message names the
        node.

    Notes
    -----
    The first axis of the inputs is what `predict` and `fit` cut into batches. Where it is another (the time, in a graph
    of time-major inputs), call the model: ``model(x)``; where it differs between inputs, the model is a `GraphModel`.
    """
    file = name_of(filepath)
    with reading(file, "ONNX model"):
        source = source_of(filepath)
        if isinstance(source, str):
            path = Path(source)
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError(f"is larger than {_MAX_BYTES} bytes, which no ONNX file is")
            data, folder = path.read_bytes(), path.parent
        else:
            data, folder = source, None
        graph = fixed(parsed(data, folder, outputs), constants or {}, shapes or {})
        model = _model(graph)
    model.load_report = [
        f"Written by {graph.producer or 'an unknown program'} for version {graph.opset} of ONNX's operators."
    ]
    return model


def _model(graph: Graph) -> Functional:
    """The model of a graph."""
    if not graph.inputs or not graph.outputs:
        raise ValueError("has no inputs or no outputs")
    for family in _FAMILIES:
        importlib.import_module(f"fastgru.onnx.operators.{family}")
    drawing = Drawing(graph)
    for node in graph.nodes:
        drawing.draw(node)
    ends = _ends(drawing)
    inputs = drawing.inputs
    kind = Functional if _first_axes_agree(graph) else GraphModel
    return kind(inputs if len(inputs) > 1 else inputs[0], ends if len(ends) > 1 else ends[0])


def _first_axes_agree(graph: Graph) -> bool:
    """Whether all inputs may have as many samples as each other."""
    firsts = [one.sizes[0] if one.sizes else "no axis" for one in graph.inputs]
    return len({size for size in firsts if size is not None}) <= 1 and "no axis" not in firsts


def _ends(drawing: Drawing) -> list[SymbolicTensor]:
    """The outputs as tensors, each the only one of a layer that has the name which the graph has for it."""
    ends = []
    for name in drawing.graph.outputs:
        tensor = drawing.tensor(drawing.values[name])
        layer = tensor.layer
        if tensor in drawing.inputs or tensor in ends or len(tensor.node.outputs) > 1:
            tensor = Identity()(tensor)
            layer = tensor.layer
        layer.name = re.sub(r"[/\\]", "_", name) or layer.name
        ends.append(tensor)
    return ends
