"""Operators on each number: arithmetic, comparisons, activations."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru import activations, ops
from fastgru.onnx.drawing import Drawing, Value, bounded, is_constant, operator
from fastgru.onnx.graph import GraphNode
from fastgru.onnx.layout import Laid
from fastgru.onnx.schema import DTYPES

__all__ = ["cast"]

_PLAIN = {
    "Abs": ops.absolute, "Acos": ops.arccos, "Acosh": ops.arccosh, "And": ops.logical_and, "Asin": ops.arcsin,
    "Asinh": ops.arcsinh, "Atan": ops.arctan, "Atanh": ops.arctanh, "Ceil": ops.ceil, "Cos": ops.cos, "Cosh": ops.cosh,
    "Equal": ops.equal, "Erf": ops.erf, "Exp": ops.exp, "Floor": ops.floor, "Greater": ops.greater,
    "GreaterOrEqual": ops.greater_equal, "HardSwish": ops.hard_silu, "IsNaN": ops.isnan,
    "Less": ops.less, "LessOrEqual": ops.less_equal, "Log": ops.log, "Neg": ops.negative, "Not": ops.logical_not,
    "Or": ops.logical_or, "Reciprocal": ops.reciprocal, "Relu": ops.relu, "Round": ops.round, "Sigmoid": ops.sigmoid,
    "Sign": ops.sign, "Sin": ops.sin, "Sinh": ops.sinh, "Softplus": ops.softplus, "Softsign": ops.softsign,
    "Sqrt": ops.sqrt, "Tan": ops.tan, "Tanh": ops.tanh, "Xor": ops.logical_xor,
}  # fmt: skip
_REPEATED = {"Sum": ops.add, "Max": ops.maximum, "Min": ops.minimum}  # of any number of values
# what a Dense layer computes at once with its product
_ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign"}


def _plain(name: str, function: Callable[..., Any]) -> None:
    @operator(name)
    def draw(drawing: Drawing, node: GraphNode, *values: Value) -> Value:
        if name in _ACTIVATIONS and (dense := _open_dense(drawing, node)) is not None:
            dense.activation = activations.get(_ACTIVATIONS[name])
            return values[0]
        return drawing.elementwise(function, *values)


def _open_dense(drawing: Drawing, node: GraphNode) -> Any:
    """The Dense layer whose output this activation alone reads; None where there is none."""
    layer = drawing.products.get(node.inputs[0])
    return layer if drawing.graph.only_reader(node.inputs[0]) is node else None


for _name, _function in _PLAIN.items():
    _plain(_name, _function)


def _in_whole_numbers(operation: Callable[..., Any], values: tuple[Value, ...]) -> Value:
    """Arithmetic on sizes, which are known as far as they can be; None where others go into it."""
    arrays = all(isinstance(value, np.ndarray) for value in values)
    if arrays and any(value.dtype == object for value in values):
        return np.asarray(operation(*(value.astype(object) for value in values)), object)
    return None


def _arithmetic(name: str, function: Callable[..., Any], operation: Callable[..., Any]) -> None:
    @operator(name)
    def draw(drawing: Drawing, node: GraphNode, *values: Value) -> Value:
        sizes = _in_whole_numbers(operation, values)
        return drawing.elementwise(function, *values) if sizes is None else sizes


_arithmetic("Add", ops.add, np.add)
_arithmetic("Sub", ops.subtract, np.subtract)
_arithmetic("Mul", ops.multiply, np.multiply)


@operator("Div")
def _div(drawing: Drawing, node: GraphNode, a: Value, b: Value) -> Value:
    sizes = _in_whole_numbers(np.floor_divide, (a, b))
    if sizes is not None:
        return sizes
    if all(_kind(value) in "iu" for value in (a, b)):  # ONNX cuts off, where numpy rounds down
        return drawing.elementwise(_truncated_division, a, b)
    return drawing.elementwise(ops.divide, a, b)


def _truncated_division(a: Any, b: Any) -> Any:
    return ops.cast(ops.trunc(ops.divide(ops.cast(a, "float64"), ops.cast(b, "float64"))), "int64")


def _kind(value: Value) -> str:
    if isinstance(value, Laid):
        return np.dtype(value.base.dtype).kind
    return np.asarray(getattr(value, "value", value)).dtype.kind


@operator("Mod")
def _mod(drawing: Drawing, node: GraphNode, a: Value, b: Value) -> Value:
    return drawing.elementwise(ops.fmod if node.attributes.get("fmod") else ops.mod, a, b)


@operator("IsInf")
def _is_inf(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    signs = [node.attributes.get(f"detect_{sign}", 1) for sign in ("positive", "negative")]
    function = {(1, 1): ops.isinf, (1, 0): ops.isposinf, (0, 1): ops.isneginf}.get(tuple(signs))
    return drawing.elementwise(function or (lambda x: ops.zeros_like(x, dtype="bool")), x)


@operator("Pow")
def _pow(drawing: Drawing, node: GraphNode, base: Value, exponent: Value) -> Value:
    if is_constant(exponent) and not is_constant(base) and _kind(base) == "f":
        exponent = exponent.astype(base.base.dtype)
    return drawing.elementwise(ops.power, base, exponent)


@operator(*_REPEATED, "Mean")
def _repeated(drawing: Drawing, node: GraphNode, *values: Value) -> Value:
    function = _REPEATED.get(node.op, ops.add)
    total = functools.reduce(lambda a, b: drawing.elementwise(function, a, b), values)
    return drawing.elementwise(lambda x: ops.divide(x, len(values)), total) if node.op == "Mean" else total


@operator("Where")
def _where(drawing: Drawing, node: GraphNode, condition: Value, a: Value, b: Value) -> Value:
    if is_constant(condition) and condition.size == 1:  # as of a shape that is known
        return a if condition.all() else b
    values = [value for value in (condition, a, b) if isinstance(value, np.ndarray)]
    if is_constant(condition) and len(values) == 3:
        bounded(np.broadcast_shapes(*(value.shape for value in values)))
        return np.where(condition, a, b)
    return drawing.elementwise(ops.where, condition, a, b)


@operator("Clip")
def _clip(drawing: Drawing, node: GraphNode, x: Value, low: Value = None, high: Value = None) -> Value:
    bounds = []
    for name, value in (("min", low), ("max", high)):
        fixed = node.attributes.get(name) if value is None else drawing.constant(node, value, name)
        bounds.append(None if fixed is None else float(np.asarray(fixed).reshape(())))
    low, high = bounds

    def clipped(x: Any) -> Any:
        x = x if low is None else ops.maximum(x, np.asarray(low, x.dtype))
        return x if high is None else ops.minimum(x, np.asarray(high, x.dtype))

    return drawing.elementwise(clipped, x)


@operator("Cast", "CastLike")
def cast(drawing: Drawing, node: GraphNode, x: Value, like: Value = None) -> Value:
    """Numbers in another dtype; float16 is computed as float32."""
    if like is not None:
        dtype = like.dtype.name if isinstance(like, np.ndarray) else like.base.dtype
    else:
        dtype = DTYPES.get(node.attributes.get("to", 0), "")
    if not dtype:
        drawing.refuse(node, f"casts to the data type {node.attributes.get('to')}, which fastgru does not know")
    dtype = "float32" if dtype == "float16" else dtype
    if isinstance(x, np.ndarray) and x.dtype == object and np.dtype(dtype).kind in "iu":
        return x
    if isinstance(x, Laid) and x.base.dtype == dtype:
        return x
    return drawing.elementwise(lambda x: ops.cast(x, dtype), x)


@operator("Identity", "Dropout")
def _identity(drawing: Drawing, node: GraphNode, x: Value, *options: Value) -> Value:
    if len(node.outputs) > 1 and node.outputs[1] and drawing.graph.uses[node.outputs[1]]:
        drawing.refuse(node, "its mask is read, which there is in training alone")
    if len(options) > 1 and options[1] is not None and not (is_constant(options[1]) and not options[1].any()):
        drawing.refuse(node, "is exported for training; export the model for inference")
    return x


# --- activations with settings ----------------------------------------------------------------------------------------

_SETTINGS: dict[str, tuple[tuple[float, ...], Callable[..., Any]]] = {
    # the defaults of alpha and beta (gamma), and the function of both
    "Celu": ((1.0,), lambda x, alpha: ops.celu(x, alpha)),
    "Elu": ((1.0,), lambda x, alpha: ops.elu(x, alpha)),
    "HardSigmoid": ((0.2, 0.5), lambda x, alpha, beta: ops.clip(ops.add(ops.multiply(x, alpha), beta), 0.0, 1.0)),
    "LeakyRelu": ((0.01,), lambda x, alpha: ops.leaky_relu(x, alpha)),
    "Swish": ((1.0,), lambda x, alpha: ops.multiply(x, ops.sigmoid(ops.multiply(x, alpha)))),
    "ThresholdedRelu": ((1.0,), lambda x, alpha: ops.threshold(x, alpha, 0.0)),
}


@operator(*_SETTINGS)
def _with_settings(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    defaults, function = _SETTINGS[node.op]
    settings = [node.attributes.get(name, value) for name, value in zip(("alpha", "beta"), defaults, strict=False)]
    return drawing.elementwise(lambda x: function(x, *settings), x)


@operator("Selu")
def _selu(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    alpha = node.attributes.get("alpha", activations.SELU_ALPHA)
    gamma = node.attributes.get("gamma", activations.SELU_SCALE)
    return drawing.elementwise(lambda x: ops.multiply(ops.elu(x, alpha), gamma), x)


@operator("Gelu")
def _gelu(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    approximate = node.attributes.get("approximate", "none") == "tanh"
    return drawing.elementwise(lambda x: ops.gelu(x, approximate), x)


@operator("Mish")
def _mish(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    return drawing.elementwise(lambda x: ops.multiply(x, ops.tanh(ops.softplus(x))), x)


@operator("PRelu")
def _prelu(drawing: Drawing, node: GraphNode, x: Value, slope: Value) -> Value:
    return drawing.elementwise(
        lambda x, slope: ops.add(ops.relu(x), ops.multiply(slope, ops.minimum(x, 0.0))), x, slope
    )


@operator("Softmax", "LogSoftmax")
def _softmax(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    rank = len(drawing.sizes_of(x))
    axis = node.attributes.get("axis", -1 if drawing.graph.opset >= 13 else 1) % rank
    axes: Any = axis if drawing.graph.opset >= 13 or axis == rank - 1 else tuple(range(axis, rank))
    if axis == rank - 1:
        if node.op == "Softmax" and (dense := _open_dense(drawing, node)) is not None and x.ends_alike:
            dense.activation = activations.softmax
            return x
        axes = -1
    function = ops.softmax if node.op == "Softmax" else ops.log_softmax
    if isinstance(axes, tuple) and node.op == "LogSoftmax":
        return drawing.applied(lambda x: ops.subtract(x, ops.logsumexp(x, axes, True)), x, sizes=drawing.sizes_of(x))
    return drawing.applied(lambda x: function(x, axes), x, sizes=drawing.sizes_of(x))
