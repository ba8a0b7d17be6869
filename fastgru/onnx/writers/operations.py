"""Operations that stand between layers: arithmetic, slices, reductions, other shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru import tree
from fastgru.layers.symbolic import Place
from fastgru.onnx.schema import NUMBERS
from fastgru.onnx.writer import NO_MASK, Applied, Writer, writes
from fastgru.operations.operation import Operation

__all__: list[str] = []

_ELEMENTWISE = {
    "Absolute": "Abs", "Add": "Add", "Ceil": "Ceil", "Cos": "Cos", "Divide": "Div", "Equal": "Equal", "Erf": "Erf",
    "Exp": "Exp", "Floor": "Floor", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual", "Less": "Less",
    "LessEqual": "LessOrEqual", "Log": "Log", "LogicalAnd": "And", "LogicalNot": "Not", "LogicalOr": "Or",
    "Matmul": "MatMul", "Maximum": "Max", "Minimum": "Min", "Multiply": "Mul", "Negative": "Neg", "Power": "Pow",
    "Reciprocal": "Reciprocal", "Relu": "Relu", "Sigmoid": "Sigmoid", "Sign": "Sign", "Sin": "Sin",
    "Softplus": "Softplus", "Softsign": "Softsign", "Sqrt": "Sqrt", "Subtract": "Sub", "Tanh": "Tanh",
    "TrueDivide": "Div", "Where": "Where",
}  # fmt: skip
_REDUCTIONS = {"Mean": "ReduceMean", "Amax": "ReduceMax", "Amin": "ReduceMin", "Max": "ReduceMax", "Min": "ReduceMin",
               "Sum": "ReduceSum"}  # fmt: skip


class _Call:
    """The arguments of an operation, tensors by the names of their values."""

    def __init__(self, out: Writer, call: Applied) -> None:
        layer = call.layer
        leaves = tree.flatten(layer._arguments)
        leaves = [call.names[leaf.index] if isinstance(leaf, Place) else leaf for leaf in leaves]
        positional, named = tree.pack_sequence_as(layer._arguments, leaves)
        self.out, self.call = out, call
        self.options = {**layer.settings, **named}
        self.arguments = list(positional)

    def value(self, argument: Any) -> str:
        """An argument as a value: a number has the dtype of the first tensor."""
        if isinstance(argument, str):
            return argument
        array = np.asarray(argument)
        return self.out.constant(array, self.call.inputs[0].dtype if array.dtype != bool else "bool")


def _elementwise(call: _Call, op: str) -> str:
    return call.out.node(op, *map(call.value, call.arguments))


def _reduce(call: _Call, op: str) -> str:
    axis, keepdims = call.options.get("axis"), int(bool(call.options.get("keepdims")))
    axes = list(range(call.call.rank)) if axis is None else np.atleast_1d(axis).tolist()
    if op == "ReduceSum":
        return call.out.node(op, call.arguments[0], call.out.axes(*axes), keepdims=keepdims)
    return call.out.node(op, call.arguments[0], axes=axes, keepdims=keepdims)


def _get_item(call: _Call) -> str:
    out, key = call.out, call.arguments[1]
    y = call.arguments[0]
    dropped: list[int] = []
    entries = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [one for one in entries if not isinstance(one, np.ndarray)]:
        place = next(index for index, one in enumerate(entries) if one is Ellipsis)
        entries[place : place + 1] = [slice(None)] * (call.call.rank - len(entries) + 1)
    for axis, entry in enumerate(entries):
        if isinstance(entry, slice):
            step = 1 if entry.step is None else entry.step
            if entry != slice(None):
                first = entry.start if entry.start is not None else (0 if step > 0 else -1)
                end = entry.stop if entry.stop is not None else (1 << 62) * (1 if step > 0 else -1)
                y = out.node("Slice", y, *(out.constant([one], "int64") for one in (first, end, axis, step)))
        elif isinstance(entry, (int, np.integer)):
            y = out.node("Gather", y, out.constant([int(entry)], "int64"), axis=axis)
            dropped.append(axis)
        else:
            raise ValueError(f"layer {call.call.layer.name!r}: the key {key!r} cannot be written as ONNX")
    return out.squeezed(y, *dropped) if dropped else y


def _concatenate(call: _Call) -> str:
    (xs,) = call.arguments
    return call.out.node("Concat", *xs, axis=call.options.get("axis", 0))


def _reshape(call: _Call) -> str:
    sizes = [-1 if size is None else int(size) for size in np.atleast_1d(call.options["newshape"]).tolist()]
    return call.out.node("Reshape", call.arguments[0], call.out.axes(*sizes))


def _transpose(call: _Call) -> str:
    axes = call.options.get("axes")
    return call.out.transposed(call.arguments[0], *(range(call.call.rank)[::-1] if axes is None else axes))


def _softmax(op: str) -> Callable[[_Call], str]:
    def write(call: _Call) -> str:
        return call.out.node(op, call.arguments[0], axis=int(call.options.get("axis", -1)))

    return write


def _cast(call: _Call) -> str:
    return call.out.node("Cast", call.arguments[0], to=NUMBERS[np.dtype(call.options["dtype"]).name])


_OTHERS: dict[str, Callable[[_Call], str]] = {
    "Cast": _cast,
    "Concatenate": _concatenate,
    "Copy": lambda call: call.arguments[0],
    "ExpandDims": lambda call: call.out.unsqueezed(call.arguments[0], *np.atleast_1d(call.options["axis"]).tolist()),
    "Flip": lambda call: call.out.reversed(call.arguments[0], int(call.options["axis"])),
    "GetItem": _get_item,
    "LogSoftmax": _softmax("LogSoftmax"),
    "Reshape": _reshape,
    "Softmax": _softmax("Softmax"),
    "Square": lambda call: call.out.node("Mul", call.arguments[0], call.arguments[0]),
    "Squeeze": lambda call: call.out.squeezed(call.arguments[0], *np.atleast_1d(call.options["axis"]).tolist()),
    "Transpose": _transpose,
}


@writes(Operation)
def _operation(out: Writer, call: Applied) -> tuple[list[str], str]:
    kind = type(call.layer).__name__
    arguments = _Call(out, call)
    if kind in _ELEMENTWISE:
        return [_elementwise(arguments, _ELEMENTWISE[kind])], NO_MASK
    if kind in _REDUCTIONS:
        return [_reduce(arguments, _REDUCTIONS[kind])], NO_MASK
    if kind not in _OTHERS:
        raise ValueError(f"layer {call.layer.name!r}: the operation {kind} cannot be written as ONNX; use a layer")
    return [_OTHERS[kind](arguments)], NO_MASK
