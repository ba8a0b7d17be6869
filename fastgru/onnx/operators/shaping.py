"""Operators that move numbers: shapes, orders, slices, concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import ops
from fastgru.layers.core.embedding import Embedding
from fastgru.onnx.drawing import Drawing, Filled, Value, bounded, is_constant, operator
from fastgru.onnx.graph import GraphNode
from fastgru.onnx.layout import Laid, shaped
from fastgru.onnx.sized import sized
from fastgru.onnx.sizes import Size, number
from fastgru.types import Array

__all__ = ["axes_of", "concatenated", "expanded", "in_shape", "picked"]

_LARGEST = np.iinfo("int32").max  # an end of a slice behind which no axis goes on


def axes_of(drawing: Drawing, node: GraphNode, as_input: Value, rank: int) -> list[int] | None:
    """The axes of a node, counted from the front: an attribute in old files, an input in new ones; None for none."""
    axes = node.attributes.get("axes") if as_input is None else drawing.whole_numbers(node, as_input, "axes")
    if axes is None:
        return None
    if any(not -rank <= axis < rank for axis in axes):
        drawing.refuse(node, f"its axes {axes} are not among the {rank} of its input")
    return [axis % rank for axis in axes]


@operator("Transpose")
def _transpose(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    axes = node.attributes.get("perm") or range(len(drawing.sizes_of(x)))[::-1]
    if isinstance(x, Filled):
        return Filled(tuple(x.sizes[axis] for axis in axes), x.value)
    return x.transpose(axes) if isinstance(x, np.ndarray) else x.transposed(axes)


@operator("Squeeze")
def _squeeze(drawing: Drawing, node: GraphNode, x: Value, axes: Value = None) -> Value:
    sizes = drawing.sizes_of(x)
    places = axes_of(drawing, node, axes, len(sizes))
    if places is None:
        places = [axis for axis, size in enumerate(sizes) if not isinstance(size, Size) and size == 1]
    if isinstance(x, Filled):
        return Filled(tuple(size for axis, size in enumerate(sizes) if axis not in places), x.value)
    return x.squeeze(tuple(places)) if isinstance(x, np.ndarray) else x.squeezed(places)


@operator("Unsqueeze")
def _unsqueeze(drawing: Drawing, node: GraphNode, x: Value, axes: Value = None) -> Value:
    count = len(node.attributes["axes"]) if axes is None else axes.size
    places = axes_of(drawing, node, axes, len(drawing.sizes_of(x)) + count) or []
    if isinstance(x, Filled):
        sizes = list(x.sizes)
        for place in sorted(places):
            sizes.insert(place, 1)
        return Filled(tuple(sizes), x.value)
    return np.expand_dims(x, tuple(places)) if isinstance(x, np.ndarray) else x.expanded(places)


@operator("Reshape")
def _reshape(drawing: Drawing, node: GraphNode, x: Value, shape: Value) -> Value:
    old = drawing.sizes_of(x)
    sizes = drawing.whole_numbers(node, shape, "shape")
    if not node.attributes.get("allowzero"):
        sizes = [old[axis] if not isinstance(size, Size) and size == 0 else size for axis, size in enumerate(sizes)]
    return in_shape(x, old, sizes)


def in_shape(x: Value, old: Sequence[Any], sizes: list[Any]) -> Value:
    """A value in a shape of which one size may be -1."""
    if isinstance(x, np.ndarray) and not any(isinstance(size, Size) for size in sizes):
        return x.reshape(sizes)
    if -1 in [size for size in sizes if not isinstance(size, Size)]:
        free = next(axis for axis, size in enumerate(sizes) if not isinstance(size, Size) and size == -1)
        left: list[Any] = list(old)
        others: list[Any] = []
        for size in (size for axis, size in enumerate(sizes) if axis != free):
            (left.remove if size in left else others.append)(size)
        sizes[free] = number(_product(left) // _product(others))
    if isinstance(x, Filled):
        return Filled(tuple(sizes), x.value)
    seen = x.reshaped(sizes)
    if seen is not None:
        return seen
    tensor = x.tensor()
    return Laid.plain(shaped(tensor, tensor, sizes), sizes)


def _product(sizes: Sequence[Any]) -> Any:
    product: Any = 1
    for size in sizes:
        product = product * size
    return product


@operator("Flatten")
def _flatten(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    old = drawing.sizes_of(x)
    axis = node.attributes.get("axis", 1)
    axis = axis + len(old) if axis < 0 else axis
    return in_shape(x, old, [_product(old[:axis]), _product(old[axis:])])


@operator("Concat")
def _concat(drawing: Drawing, node: GraphNode, *values: Value) -> Value:
    return concatenated(drawing, values, node.attributes["axis"])


def concatenated(drawing: Drawing, values: Sequence[Value], axis: int) -> Value:
    """Values one after the other along an axis."""
    if all(isinstance(value, np.ndarray) for value in values):
        bounded([sum(value.size for value in values)])
        return np.concatenate(values, axis)
    sizes = [list(drawing.sizes_of(value)) for value in values]
    rank = len(sizes[0])
    whole = [
        next((one[place] for one in sizes if not isinstance(one[place], Size)), sizes[0][place])
        for place in range(rank)
    ]
    whole[axis] = sum(one[axis] for one in sizes)
    laid = [value for value in values if isinstance(value, Laid)]
    order = laid[0].order if laid else None
    if len(laid) == len(values) and order is not None and all(one.order == order for one in laid):
        base = ops.concatenate([one.base for one in laid], axis=order[axis % rank])
        places = [order.index(place) for place in range(rank)]
        return drawing.laid_out(base, [whole[place] for place in places]).transposed(order)
    tensors = [drawing.tensor(value, laid[0] if laid else None) for value in values]
    return drawing.laid_out(ops.concatenate(tensors, axis=axis), whole)


@operator("Split")
def _split(drawing: Drawing, node: GraphNode, x: Value, parts: Value = None) -> Value:
    sizes = drawing.sizes_of(x)
    axis = node.attributes.get("axis", 0) % len(sizes)
    lengths = node.attributes.get("split") if parts is None else drawing.whole_numbers(node, parts, "split")
    count = node.attributes.get("num_outputs", len(node.outputs)) if lengths is None else len(lengths)
    if count != len(node.outputs):
        drawing.refuse(node, f"splits into {count} parts, of which it puts out {len(node.outputs)}")
    if lengths is None:
        if isinstance(sizes[axis], Size):
            drawing.refuse(node, "splits an axis whose size is not known")
        each = -(-sizes[axis] // count)
        lengths = [min(each, sizes[axis] - each * index) for index in range(count)]
    ends = np.cumsum(lengths).tolist()
    slices = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    read = [bool(name) and drawing.graph.uses[name] > 0 for name in node.outputs]
    return tuple(picked(drawing, x, axis, one) if use else None for one, use in zip(slices, read, strict=True))


def picked(drawing: Drawing, x: Value, axis: int, key: Any) -> Value:
    """``x[:, ..., key]`` with the key at an axis: an int, a slice, or an array of places."""
    whole = (slice(None),) * axis
    if isinstance(x, np.ndarray):
        return np.asarray(x[(*whole, key)])
    if isinstance(x, Filled):
        if isinstance(x.sizes[axis], int):
            left = np.arange(x.sizes[axis])[key].shape
            return Filled((*x.sizes[:axis], *left, *x.sizes[axis + 1 :]), x.value)
        x = drawing.laid_out(drawing.tensor(x), x.sizes)
    order = x.order
    if order is None:  # cut what it is shown as
        if isinstance(key, int) and x.sizes[axis] == 1:
            return x.squeezed([axis])
        tensor = x.tensor()
        x = Laid.plain(tensor, x.sizes)
        order = list(range(len(x.sizes)))
    place = order[axis]
    base = ops.get_item(x.base, ((slice(None),) * place + (key,)))
    sizes = [size if one != place else None for one, size in enumerate(_base_sizes(x))]
    if isinstance(key, int):
        result = drawing.laid_out(base, [size for one, size in enumerate(sizes) if one != place])
        return result.transposed([one - (one > place) for one in order if one != place])
    if isinstance(key, np.ndarray) and key.ndim != 1:
        result = drawing.laid_out(base, [*sizes[:place], *key.shape, *sizes[place + 1 :]])
        rank = key.ndim
        moved = [
            place + offset if one == place else one + (rank - 1) * (one > place)
            for one in order
            for offset in (range(rank) if one == place else (0,))
        ]
        return result.transposed(moved)
    return drawing.laid_out(base, sizes).transposed(order)


def _base_sizes(x: Laid) -> list[Any]:
    return [_product([factor.size for factor in group]) for group in x.held]


@operator("Gather")
def _gather(drawing: Drawing, node: GraphNode, x: Value, indices: Value) -> Value:
    rank = len(drawing.sizes_of(x))
    axis = node.attributes.get("axis", 0) % rank
    if is_constant(indices):
        key = int(indices) if indices.ndim == 0 else indices
        sizes = drawing.sizes_of(x)
        bounded([*sizes[:axis], *indices.shape, *sizes[axis + 1 :]])
        return picked(drawing, x, axis, key)
    if isinstance(indices, np.ndarray):  # places that follow from sizes: the last step, say
        indices = drawing.laid_out(drawing.tensor(indices))
    if is_constant(x) and axis == 0 and x.ndim == 2 and x.dtype.kind == "f" and len(drawing.sizes_of(indices)) <= 2:
        return _embedding(drawing, x, indices)
    sizes = drawing.sizes_of(x)
    bounded([*sizes[:axis], *drawing.sizes_of(indices), *sizes[axis + 1 :]])
    return drawing.applied(lambda x, places: ops.take(x, places, axis), x, indices)


def _embedding(drawing: Drawing, table: Array, tokens: Laid) -> Value:
    layer = Embedding(*table.shape, dtype=table.dtype.name)
    y = layer(tokens.tensor())
    layer.set_weights([table])
    return drawing.laid_out(y, [*tokens.sizes, table.shape[1]])


@operator("GatherElements")
def _gather_elements(drawing: Drawing, node: GraphNode, x: Value, indices: Value) -> Value:
    axis = node.attributes.get("axis", 0)
    return drawing.applied(lambda x, places: ops.take_along_axis(x, places, axis), x, indices)


@operator("GatherND")
def _gather_nd(drawing: Drawing, node: GraphNode, x: Value, indices: Value) -> Value:
    sizes, of_indices = drawing.sizes_of(x), drawing.sizes_of(indices)
    if node.attributes.get("batch_dims", 0) != 1 or len(of_indices) != 3 or of_indices[2] != 1 or len(sizes) != 3:
        drawing.refuse(node, "expected one place along the second of three axes for each row (batch_dims=1)")
    result = drawing.applied(lambda x, places: ops.take_along_axis(x, places, 1), x, indices)
    return drawing.laid_out(drawing.tensor(result), [sizes[0], of_indices[1], sizes[2]])


@operator("Slice")
def _slice(
    drawing: Drawing, node: GraphNode, x: Value, starts: Value = None, ends: Value = None, axes: Value = None,
    steps: Value = None,
) -> Value:  # fmt: skip
    sizes = drawing.sizes_of(x)
    if starts is None:
        firsts, lasts = node.attributes["starts"], node.attributes["ends"]
    else:
        firsts, lasts = (drawing.whole_numbers(node, one, "starts and ends") for one in (starts, ends))
    places = axes_of(drawing, node, axes, len(sizes))
    places = list(range(len(firsts))) if places is None else places
    strides = [1] * len(firsts) if steps is None else drawing.whole_numbers(node, steps, "steps")
    for axis, first, last, step in zip(places, firsts, lasts, strides, strict=True):
        x = _cut(drawing, x, axis, _bound(first, sizes[axis]), _bound(last, sizes[axis]), step)
    return x


def _bound(bound: Any, size: Any) -> Any:
    """Where a slice begins or ends: None for what lies behind all, an int where it does not depend on sizes."""
    if not isinstance(bound, Size):
        return None if abs(bound) >= _LARGEST else bound
    if bound == size:
        return None
    less = bound - size if isinstance(size, Size) else bound
    return less if isinstance(less, int) and less < 0 else bound


def _cut(drawing: Drawing, x: Value, axis: int, first: Any, last: Any, step: int) -> Value:
    if first in (0, None) and last is None and step == 1:
        return x
    if isinstance(first, Size) or isinstance(last, Size):
        size = drawing.sizes_of(x)[axis]
        bounds = [0 if first is None else first, size if last is None else last]
        whole = list(drawing.sizes_of(x))
        length = bounds[1] - bounds[0]
        whole[axis] = length if step == 1 else None
        return drawing.laid_out(sized("slice", drawing.tensor(x), bounds, [[axis, step]]), whole)
    return picked(drawing, x, axis, slice(first, last, step))


@operator("Tile")
def _tile(drawing: Drawing, node: GraphNode, x: Value, repeats: Value) -> Value:
    counts = drawing.whole_numbers(node, repeats, "repeats")
    old = drawing.sizes_of(x)
    if all(isinstance(size, int) and size == 1 for size in old) and any(isinstance(one, Size) for one in counts):
        return expanded(drawing, x, counts)
    if any(isinstance(one, Size) for one in counts):
        ones = [axis for axis, count in enumerate(counts) if isinstance(count, Size)]
        if any(old[axis] != 1 for axis in ones):
            drawing.refuse(
                node, "repeats an axis as often as another axis is long, which fastgru does for size 1 alone"
            )
        return expanded(drawing, x, [count * size for count, size in zip(counts, old, strict=True)])
    return drawing.applied(
        lambda x: ops.tile(x, tuple(counts)), x, sizes=[n * s for n, s in zip(counts, old, strict=True)]
    )


@operator("Expand")
def _expand(drawing: Drawing, node: GraphNode, x: Value, shape: Value) -> Value:
    return expanded(drawing, x, drawing.whole_numbers(node, shape, "shape"))


def expanded(drawing: Drawing, x: Value, sizes: Sequence[Any]) -> Value:
    """A value broadcast with a shape."""
    old = drawing.sizes_of(x)
    rank = max(len(old), len(sizes))
    pairs = zip([1] * (rank - len(old)) + list(old), [1] * (rank - len(sizes)) + list(sizes), strict=True)
    whole = [a if not isinstance(b, Size) and b == 1 else b for a, b in pairs]
    if tuple(whole) == tuple(old):
        return x
    bounded(whole)
    if isinstance(x, Filled) or (is_constant(x) and x.size and (x == x.flat[0]).all()):
        value = x.value if isinstance(x, Filled) else x.flat[0]
        known = not any(isinstance(size, Size) for size in whole)
        return np.full(whole, value, np.asarray(value).dtype) if known else Filled(tuple(whole), value)
    if isinstance(x, np.ndarray) and not any(isinstance(size, Size) for size in whole):
        return np.broadcast_to(x, whole)
    return drawing.laid_out(sized("broadcast", drawing.tensor(x), whole), whole)


@operator("Pad")
def _pad(
    drawing: Drawing, node: GraphNode, x: Value, pads: Value = None, value: Value = None, axes: Value = None
) -> Value:
    old = drawing.sizes_of(x)
    widths = node.attributes["pads"] if pads is None else drawing.whole_numbers(node, pads, "pads")
    fill = node.attributes.get("value", 0.0) if value is None else drawing.constant(node, value, "value")
    places = axes_of(drawing, node, axes, len(old)) or list(range(len(old)))
    both = [(0, 0)] * len(old)
    for index, place in enumerate(places):
        both[place] = (widths[index], widths[index + len(places)])
    if any(width < 0 for pair in both for width in pair):
        drawing.refuse(node, "cuts off by negative pads, which fastgru does by Slice alone")
    mode = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}[
        node.attributes.get("mode", "constant")
    ]
    sizes = [size + low + high for size, (low, high) in zip(old, both, strict=True)]
    fills = {"constant_values": float(np.asarray(fill).reshape(()))} if mode == "constant" else {}
    return drawing.applied(lambda x: ops.pad(x, both, mode, **fills), x, sizes=sizes)


@operator("ReverseSequence")
def _reverse_sequence(drawing: Drawing, node: GraphNode, x: Value, lengths: Value) -> Value:
    axis = node.attributes.get("time_axis", 0)
    size = drawing.sizes_of(x)[axis]
    # tf2onnx has it for a reversed axis, with the same length for all rows
    if not _is_whole(lengths, size):
        drawing.refuse(node, "reverses rows of unequal lengths; give the recurrent node sequence_lens instead")
    return picked(drawing, x, axis, slice(None, None, -1))


def _is_whole(lengths: Value, size: Any) -> bool:
    if isinstance(lengths, Filled):
        return bool(lengths.value == size)
    return isinstance(lengths, np.ndarray) and all(one == size for one in lengths.reshape(-1).tolist())
