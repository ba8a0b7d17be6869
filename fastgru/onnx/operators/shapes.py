"""Operators that give shapes and make arrays of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import ops
from fastgru.onnx.drawing import Drawing, Filled, Value, bounded, is_constant, operator
from fastgru.onnx.graph import GraphNode
from fastgru.onnx.sized import sized
from fastgru.onnx.sizes import Size, number
from fastgru.types import Array

__all__: list[str] = []


def _as_array(sizes: Any) -> Array:
    known = not any(isinstance(size, Size) for size in sizes)
    array = np.empty(len(sizes), "int64" if known else object)
    array[:] = list(sizes)
    return array


@operator("Shape")
def _shape(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    part = slice(node.attributes.get("start", 0), node.attributes.get("end"))
    return _as_array(drawing.sizes_of(x)[part])


@operator("Size")
def _size(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    product: Any = 1
    for size in drawing.sizes_of(x):
        product = product * size
    return _as_array([product]).reshape(())


@operator("Constant")
def _constant(drawing: Drawing, node: GraphNode) -> Value:
    dtypes = {"value_int": "int64", "value_ints": "int64", "value_float": "float32", "value_floats": "float32"}
    for name, value in node.attributes.items():
        if name == "value":
            return value
        if name in dtypes:
            return np.asarray(value, dtypes[name])
    return drawing.refuse(node, f"holds {', '.join(node.attributes) or 'nothing'}, expected an array of numbers")


@operator("ConstantOfShape")
def _constant_of_shape(drawing: Drawing, node: GraphNode, shape: Value) -> Value:
    sizes = drawing.whole_numbers(node, shape, "shape")
    value = np.asarray(node.attributes.get("value", np.zeros(1, "float32"))).reshape(())
    if any(isinstance(size, Size) for size in sizes):
        return Filled(tuple(sizes), value[()])
    return np.full(bounded(sizes), value)


@operator("Range")
def _range(drawing: Drawing, node: GraphNode, start: Value, limit: Value, delta: Value) -> Value:
    if all(isinstance(one, np.ndarray) and one.dtype != object for one in (start, limit, delta)):
        bounds: Any = [one.item() for one in (start, limit, delta)]
        bounded([(bounds[1] - bounds[0]) / bounds[2]])
        return np.arange(*bounds).astype(start.dtype)
    bounds = [drawing.whole_numbers(node, one, "bounds")[0] for one in (start, limit, delta)]
    length = number(bounds[1] - bounds[0]) if isinstance(bounds[2], int) and bounds[2] == 1 else None
    return drawing.laid_out(sized("arange", None, bounds, kind="int64"), [length])


@operator("If")
def _if(drawing: Drawing, node: GraphNode, condition: Value) -> Any:
    if not is_constant(condition) or condition.size != 1:
        drawing.refuse(
            node,
            "branches on what comes in; give load_model of fastgru.onnx that input in constants={...}, or its shape in "
            "shapes={...}, so that one branch is left",
        )
    return drawing.draw_branch(node.attributes["then_branch" if condition.all() else "else_branch"])


@operator("EyeLike")
def _eye_like(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    sizes = drawing.sizes_of(x)
    if any(isinstance(size, Size) for size in sizes):
        drawing.refuse(node, "asks for an identity matrix of a size that is not known")
    bounded(sizes)
    return np.eye(sizes[0], sizes[1], node.attributes.get("k", 0), "float32")


@operator("OneHot")
def _one_hot(drawing: Drawing, node: GraphNode, x: Value, depth: Value, values: Value) -> Value:
    count = drawing.whole_numbers(node, depth, "depth")[0]
    bounded([*drawing.sizes_of(x), count])
    off, on = drawing.constant(node, values, "values")
    axis = node.attributes.get("axis", -1)
    return drawing.applied(lambda x: ops.add(ops.multiply(ops.one_hot(x, count, axis), on - off), off), x)
