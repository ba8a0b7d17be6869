"""Products: with the weights of a file they are Dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import ops
from fastgru.layers.core.dense import Dense
from fastgru.onnx.drawing import Drawing, Value, bounded, broadcast, is_constant, operator
from fastgru.onnx.graph import GraphNode
from fastgru.onnx.layout import Laid
from fastgru.types import Array

__all__: list[str] = []


@operator("MatMul")
def _matmul(drawing: Drawing, node: GraphNode, a: Value, b: Value) -> Value:
    if isinstance(a, Laid) and is_constant(b) and b.ndim == 2 and len(a.sizes) >= 2 and b.dtype.kind == "f":
        return _dense(drawing, node, a, b, None)
    return drawing.applied(ops.matmul, a, b, sizes=_product_sizes(drawing.sizes_of(a), drawing.sizes_of(b)))


def _product_sizes(a: tuple[Any, ...], b: tuple[Any, ...]) -> list[Any] | None:
    if min(len(a), len(b)) < 2:
        return None
    return [*broadcast([a[:-2], b[:-2]]), a[-2], b[-1]]


@operator("Gemm")
def _gemm(drawing: Drawing, node: GraphNode, a: Value, b: Value, c: Value = None) -> Value:
    settings = node.attributes
    alpha, beta = settings.get("alpha", 1.0), settings.get("beta", 1.0)
    if is_constant(b) and isinstance(a, Laid) and not settings.get("transA"):
        kernel = np.asarray(b.T if settings.get("transB") else b) * np.asarray(alpha, b.dtype)
        if c is None or (is_constant(c) and c.size in (1, kernel.shape[1])):
            bias = None if c is None else np.broadcast_to(c.reshape(-1) * np.asarray(beta, c.dtype), kernel.shape[1])
            return _dense(drawing, node, a, kernel, bias)
    a, b = (
        drawing.applied(ops.transpose, one) if settings.get(name) else one
        for one, name in ((a, "transA"), (b, "transB"))
    )
    sizes = _product_sizes(drawing.sizes_of(a), drawing.sizes_of(b))
    y = drawing.applied(lambda a, b: ops.multiply(ops.matmul(a, b), alpha), a, b, sizes=sizes)
    return y if c is None else drawing.elementwise(lambda y, c: ops.add(y, ops.multiply(c, beta)), y, c)


def _dense(drawing: Drawing, node: GraphNode, x: Laid, kernel: Array, bias: Array | None) -> Value:
    """A Dense layer on the last axis, with the bias that is added behind it."""
    output = node.outputs[0]
    adder = drawing.graph.only_reader(output)
    if bias is None and adder is not None and adder.op == "Add":
        other = [name for name in adder.inputs if name != output]
        known: Any = drawing.values.get(other[0]) if other else None
        if is_constant(known) and known.shape in ((kernel.shape[1],), (1,) * (len(x.sizes) - 1) + (kernel.shape[1],)):
            bias = known.reshape(-1)
            output = adder.outputs[0]
    x = x if x.ends_alike else Laid.plain(x.tensor(), x.sizes)
    layer = Dense(kernel.shape[1], use_bias=bias is not None, dtype=kernel.dtype.name)
    y = layer(x.base)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    result = x.with_last(y, kernel.shape[1])
    drawing.products[output] = layer
    drawing.values[output] = result
    return result


@operator("Einsum")
def _einsum(drawing: Drawing, node: GraphNode, *values: Value) -> Value:
    equation = node.attributes["equation"].replace(" ", "")
    bounded(_einsum_sizes(equation, [drawing.sizes_of(value) for value in values]))
    return drawing.applied(lambda *arrays: ops.einsum(equation, *arrays), *values)


def _einsum_sizes(equation: str, shapes: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The sizes of the output, whose letters are those that stand once where the equation names none."""
    inputs, arrow, output = equation.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"its equation {equation!r} is one of {len(terms)} tensors, it has {len(shapes)}")
    sizes: dict[str, Any] = {}
    others: list[tuple[Any, ...]] = []  # of the axes in the place of the dots
    for term, shape in zip(terms, shapes, strict=True):
        before, dots, after = term.partition("...")
        count = len(shape) - len(before) - len(after)
        if count < 0 or (count and not dots):
            raise ValueError(f"its equation {equation!r} does not fit tensors of {[*map(len, shapes)]} axes")
        sizes |= zip(before + after, shape[: len(before)] + shape[len(before) + count :], strict=True)
        others.append(shape[len(before) : len(before) + count])
    named = output if arrow else "..." + "".join(letter for letter in sizes if inputs.count(letter) == 1)
    return [*(broadcast(others) if "..." in named else []), *(sizes[one] for one in named if one != ".")]
