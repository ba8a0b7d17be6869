"""Operators that take axes away: sums, means, largest numbers and their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastgru import ops
from fastgru.onnx.drawing import Drawing, Value, bounded, operator
from fastgru.onnx.graph import GraphNode
from fastgru.onnx.operators.shaping import axes_of
from fastgru.onnx.sizes import Size

__all__: list[str] = []

_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceL1": lambda x, axis, keepdims: ops.sum(ops.absolute(x), axis, keepdims),
    "ReduceL2": lambda x, axis, keepdims: ops.sqrt(ops.sum(ops.square(x), axis, keepdims)),
    "ReduceLogSumExp": ops.logsumexp,
    "ReduceMax": ops.amax,
    "ReduceMean": ops.mean,
    "ReduceMin": ops.amin,
    "ReduceProd": ops.prod,
    "ReduceSum": ops.sum,
    "ReduceSumSquare": lambda x, axis, keepdims: ops.sum(ops.square(x), axis, keepdims),
}


@operator(*_REDUCTIONS)
def _reduce(drawing: Drawing, node: GraphNode, x: Value, axes: Value = None) -> Value:
    sizes = drawing.sizes_of(x)
    places = axes_of(drawing, node, axes, len(sizes))
    if not places:
        if node.attributes.get("noop_with_empty_axes"):
            return x
        places = list(range(len(sizes)))
    return _reduced(drawing, _REDUCTIONS[node.op], x, tuple(places), bool(node.attributes.get("keepdims", 1)))


def _reduced(
    drawing: Drawing, function: Callable[..., Any], x: Value, axis: int | tuple[int, ...], keepdims: bool
) -> Value:
    sizes = list(drawing.sizes_of(x))
    places = (axis,) if isinstance(axis, int) else axis
    left = [1 if place in places else size for place, size in enumerate(sizes) if keepdims or place not in places]
    return drawing.applied(lambda x: function(x, axis=axis, keepdims=keepdims), x, sizes=left)


@operator("ArgMax", "ArgMin")
def _arg_extreme(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    if node.attributes.get("select_last_index"):
        drawing.refuse(node, "asks for the last of equally large numbers (select_last_index), fastgru gives the first")
    function = ops.argmax if node.op == "ArgMax" else ops.argmin
    axis = node.attributes.get("axis", 0) % len(drawing.sizes_of(x))
    places = _reduced(drawing, function, x, axis, bool(node.attributes.get("keepdims", 1)))
    return drawing.elementwise(lambda x: ops.cast(x, "int64"), places)


@operator("TopK")
def _top_k(drawing: Drawing, node: GraphNode, x: Value, k: Value = None) -> Value:
    sizes = drawing.sizes_of(x)
    rank = len(sizes)
    axis = node.attributes.get("axis", -1) % rank
    count = node.attributes["k"] if k is None else drawing.whole_numbers(node, k, "k")[0]
    if not isinstance(count, Size) and (count < 0 or (isinstance(sizes[axis], int) and count > sizes[axis])):
        drawing.refuse(node, f"asks for {count} of {sizes[axis]} numbers")
    if count == sizes[axis] and not node.attributes.get("largest", 1):  # the whole axis is sorted
        places = drawing.applied(lambda x: ops.argsort(x, axis), x, sizes=sizes)
        places = drawing.elementwise(lambda x: ops.cast(x, "int64"), places)
        return drawing.applied(lambda x: ops.sort(x, axis), x, sizes=sizes), places
    if axis != rank - 1 or not node.attributes.get("largest", 1):
        drawing.refuse(node, "expected the largest numbers along the last axis")
    if isinstance(count, Size):
        drawing.refuse(node, "asks for as many of the largest numbers as another axis is long")
    bounded([*sizes[:-1], count])
    values, places = drawing.applied(lambda x: tuple(ops.top_k(x, count)), x)
    return values, drawing.elementwise(lambda x: ops.cast(x, "int64"), places)


@operator("CumSum")
def _cumsum(drawing: Drawing, node: GraphNode, x: Value, axis: Value) -> Value:
    if node.attributes.get("exclusive") or node.attributes.get("reverse"):
        drawing.refuse(node, "sums without the number itself or from the end (exclusive, reverse)")
    place = int(drawing.constant(node, axis, "axis").reshape(()))
    return drawing.applied(lambda x: ops.cumsum(x, place), x, sizes=drawing.sizes_of(x))
