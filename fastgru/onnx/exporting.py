"""A model as an ONNX file."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import fastgru
from fastgru.layers.symbolic import TEXT, Node, Place, SymbolicTensor, flattened
from fastgru.models.functional import Functional
from fastgru.models.sequential import Sequential
from fastgru.onnx.schema import MODEL, NUMBERS
from fastgru.onnx.writer import NO_MASK, WRITERS, Applied, Writer
from fastgru.operations.operation import Operation
from fastgru.saving.formats import protobuf

__all__ = ["IR_VERSION", "OPSET", "image"]

OPSET, IR_VERSION = 17, 8  # what ONNX Runtime reads since version 1.12
_FAMILIES = ("activations", "core", "merging", "normalization", "operations", "recurrent", "sized", "spatial")
_MAX_BYTES = (1 << 31) - 1  # what a message of protobuf can have

Names = dict[SymbolicTensor, str]


def image(model: Any) -> bytes:
    """The bytes of a model as an ONNX file, as it predicts.

    Parameters
    ----------
    model : Sequential or Functional
        Built, of the layers of this package.

    Raises
    ------
    ValueError
        A layer cannot be written; the message names it.
    """
    if not isinstance(model, (Sequential, Functional)):
        raise ValueError(
            f"export: model {model.name!r} is a {type(model).__name__} with a call of its own; expected a Sequential "
            "or Model(inputs, outputs)."
        )
    for family in _FAMILIES:
        importlib.import_module(f"fastgru.onnx.writers.{family}")
    out = Writer()
    inputs = list(model.inputs)
    input_names = model.input_names or [tensor.layer.name for tensor in inputs]
    output_names = model.output_names or [tensor.layer.name for tensor in model.outputs]
    for tensor in inputs:
        if tensor.dtype == TEXT:
            raise ValueError(f"export: input {tensor.name!r} takes strings, which ONNX's nodes do not compute with.")
    named = _renamed(input_names, output_names)
    values = {tensor: out.reserve(name) for tensor, name in zip(inputs, input_names, strict=True)}
    for name in named:
        out.reserve(name)
    write_graph(out, list(model.outputs), values, {})
    for tensor, name in zip(model.outputs, named, strict=True):
        out.put("Identity", [values[tensor]], [name])
    graph = {
        "node": out.nodes,
        "name": model.name,
        "initializer": out.constants,
        "input": [_described(name, tensor) for name, tensor in zip(input_names, inputs, strict=True)],
        "output": [_described(name, tensor) for name, tensor in zip(named, model.outputs, strict=True)],
    }
    data = protobuf.encode(
        MODEL,
        {
            "ir_version": IR_VERSION,
            "producer_name": "fastgru",
            "producer_version": fastgru.__version__,
            "graph": graph,
            "opset_import": [{"domain": "", "version": OPSET}],
        },
    )
    if len(data) > _MAX_BYTES:
        raise ValueError(f"export: model {model.name!r} takes {len(data)} bytes, more than an ONNX file can have.")
    return data


def _renamed(inputs: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """The names of the outputs, each once, and none that of an input."""
    names: list[str] = []
    for name in outputs:
        number, new = 0, name
        while new in names or new in inputs:
            number += 1
            new = f"{name}_{number}"
        names.append(new)
    return names


def _described(name: str, tensor: SymbolicTensor) -> dict[str, Any]:
    """A ValueInfoProto: a free batch is called batch, another free axis by the value and its place."""
    dims = [
        {"dim_value": size} if size is not None else {"dim_param": f"{name}_{axis}" if axis else "batch"}
        for axis, size in enumerate(tensor.shape)
    ]
    return {
        "name": name,
        "type": {"tensor_type": {"elem_type": NUMBERS[tensor.dtype], "shape": {"dim": dims}}},
    }


def write_graph(out: Writer, outputs: Sequence[SymbolicTensor], values: Names, masks: Names) -> None:
    """Write the nodes on which outputs depend; `values` and `masks` get the names of all tensors on the way."""
    for node in _in_order(outputs, values):
        layer = node.layer
        names = [_as_read(out, layer, tensor, values[tensor]) for tensor in node.inputs]
        carried = [masks.get(tensor, NO_MASK) for tensor in node.inputs]
        if node.masks is None:
            seen = carried
        else:
            seen = [NO_MASK if mask is None else values[mask] for mask in node.masks] or [NO_MASK] * len(names)
        out.enter(layer.name)
        made, mask = _written(out, Applied(layer, names, seen, node.inputs, node.outputs), node.arguments)
        if node.masks == ():
            mask = carried[0]
        values.update(zip(node.outputs, made, strict=True))
        if mask != NO_MASK:
            masks[node.outputs[0]] = mask


def _written(out: Writer, call: Applied, arguments: Any) -> tuple[list[str], str]:
    layer = call.layer
    if isinstance(layer, (Sequential, Functional)):
        return _model(out, call)
    key: Any = Operation if isinstance(layer, Operation) else type(layer)
    write = WRITERS.get(key)
    is_plain = arguments is None or all(isinstance(leaf, Place) for leaf in flattened(arguments))
    if write is None or not (is_plain or key is Operation):
        raise ValueError(
            f"export: layer {layer.name!r}, a {type(layer).__name__}, cannot be written as ONNX; end the model before."
        )
    try:
        return write(out, call)
    except ValueError as error:
        raise ValueError(f"export: {error}.") from error


def _model(out: Writer, call: Applied) -> tuple[list[str], str]:
    """The nodes of a model inside."""
    model = call.layer
    values = dict(zip(model.inputs, call.names, strict=True))
    masks = {tensor: mask for tensor, mask in zip(model.inputs, call.masks, strict=False) if mask != NO_MASK}
    write_graph(out, list(model.outputs), values, masks)
    return [values[tensor] for tensor in model.outputs], masks.get(model.outputs[0], NO_MASK)


def _as_read(out: Writer, layer: Any, tensor: SymbolicTensor, name: str) -> str:
    """A value in the dtype in which a layer computes."""
    dtype = None if isinstance(layer, (Operation, Sequential, Functional)) else layer.input_dtype
    if dtype is None or tensor.dtype == dtype:
        return name
    out.enter(layer.name)
    return out.cast(name, dtype)


def _in_order(outputs: Sequence[SymbolicTensor], known: Names) -> list[Node]:
    """The nodes behind what is known, each after those that it needs."""
    ordered: dict[Node, None] = {}
    todo = [(tensor, False) for tensor in reversed(outputs)]
    while todo:
        tensor, done = todo.pop()
        if done:
            ordered[tensor.node] = None
        elif tensor not in known and tensor.node not in ordered:
            todo.append((tensor, True))
            todo.extend((source, False) for source in reversed(tensor.node.sources))
    return list(ordered)
