"""Numbers taken by their places, put into places, and chosen by conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru.autodiff.recording import Part
from fastgru.ops import shaping
from fastgru.ops.op import as_dtype, composite, primitive, promoted, values
from fastgru.types import Array

__all__ = [
    "extract_sequences",
    "get_item",
    "multi_hot",
    "nonzero",
    "one_hot",
    "scatter",
    "scatter_update",
    "segment_max",
    "segment_sum",
    "select",
    "slice",
    "slice_update",
    "sorted_along",
    "take",
    "take_along_axis",
    "unravel_index",
    "where",
]

_slice = slice  # Python's own


def _key(key: Any) -> Any:
    """The key with plain arrays in the place of tensors."""
    if isinstance(key, tuple):
        return tuple(_key(entry) for entry in key)
    if key is None or key is ... or isinstance(key, (int, bool)):
        return key
    if isinstance(key, _slice):
        return _slice(*(None if one is None else int(one) for one in (key.start, key.stop, key.step)))
    return np.asarray(values(key))


@primitive()
def get_item(x: Any, key: Any) -> tuple[Any, Any]:
    """``x[key]``."""
    x, key = np.asarray(x), _key(key)
    entries = key if isinstance(key, tuple) else (key,)
    repeats = any(isinstance(entry, np.ndarray) and entry.dtype.kind != "b" for entry in entries)
    y = x[key]
    return y, (lambda d: Part(key, d, repeats),)


@primitive()
def take(x: Any, indices: Any, axis: int | None = None) -> tuple[Any, Any]:
    """The entries at `indices` along an axis, or of all numbers in a row."""
    x, indices = np.asarray(x), np.asarray(values(indices))
    if indices.dtype.kind not in "iu":
        indices = indices.astype(np.intp)
    size = x.size if axis is None else x.shape[axis]
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise IndexError(f"take: expected indices from {-size} to {size - 1}, got {indices.min()} to {indices.max()}.")
    rows = x.reshape(-1) if axis is None else np.moveaxis(x, axis, 0)
    along = 0 if axis is None else axis % x.ndim

    def pull(d: Array) -> Array:
        total = np.zeros(rows.shape, d.dtype)
        np.add.at(
            total,
            indices,
            d if axis is None else np.moveaxis(d, range(along, along + indices.ndim), range(indices.ndim)),
        )
        return total.reshape(x.shape) if axis is None else np.moveaxis(total, 0, axis)

    return np.take(x, indices, axis), (pull,)


@primitive()
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> tuple[Any, Any]:
    """For each row along an axis the entries at the row of `indices` that goes with it."""
    x, indices = np.asarray(x), np.asarray(values(indices))
    if axis is None:
        flat, places = x.reshape(-1), indices.reshape(-1)
    else:
        flat = x
        shape = list(np.broadcast_shapes(_without(x.shape, axis), _without(indices.shape, axis)))
        shape.insert(axis % x.ndim, indices.shape[axis])
        places = np.broadcast_to(indices, shape)
        flat = np.broadcast_to(x, [size if one != axis % x.ndim else x.shape[axis] for one, size in enumerate(shape)])
    along = 0 if axis is None else axis % x.ndim

    def pull(d: Array) -> Array:
        total = np.zeros(flat.shape, d.dtype)
        grid = list(np.ogrid[tuple(_slice(size) for size in places.shape)])
        grid[along] = places
        np.add.at(total, tuple(grid), d)
        return total.reshape(x.shape) if axis is None else total

    return np.take_along_axis(flat, places, along), (pull,)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    axis %= len(shape)
    return shape[:axis] + shape[axis + 1 :]


@primitive()
def slice(inputs: Any, start_indices: Any, shape: Any) -> tuple[Any, Any]:
    """The block of this shape (-1: up to the end) that begins at `start_indices`."""
    inputs = np.asarray(inputs)
    starts = [int(one) for one in np.atleast_1d(values(start_indices))]
    sizes = zip(starts, shape, inputs.shape, strict=True)
    key = tuple(_slice(start, whole if size == -1 else start + int(size)) for start, size, whole in sizes)
    return inputs[key], (lambda d: Part(key, d, False),)


@primitive(arrays=3)
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> tuple[Any, Any]:
    """`inputs` with the block that begins at `start_indices` replaced by `updates`."""
    inputs, updates = np.asarray(inputs), np.asarray(updates)
    sizes = zip(np.atleast_1d(start_indices), updates.shape, strict=True)
    key = tuple(_slice(int(start), int(start) + size) for start, size in sizes)
    y = inputs.copy()
    y[key] = updates

    def by_inputs(d: Array) -> Array:
        d = d.copy()
        d[key] = 0
        return d

    return y, (by_inputs, None, lambda d: d[key])


@primitive(arrays=2)
def scatter(indices: Any, values: Any, shape: Any) -> tuple[Any, Any]:
    """An array of zeros with `values` added at `indices` (N, axes)."""
    key = tuple(np.moveaxis(np.asarray(indices), -1, 0))
    values = np.asarray(values)
    y = np.zeros([int(size) for size in shape], values.dtype)
    np.add.at(y, key, values)
    return y, (None, lambda d: d[key])


@primitive(arrays=3)
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> tuple[Any, Any]:
    """`inputs` with `updates` at `indices` (N, axes).

    Parameters
    ----------
    inputs, indices, updates : array_like
    reduction : {"add", "max", "min", "mul"}, optional
        How an update goes with the number that is there; it takes its place where absent.
    """
    ways = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}
    inputs, updates = np.asarray(inputs), np.asarray(updates)
    key = tuple(np.moveaxis(np.asarray(indices), -1, 0))
    y = inputs.copy()
    if reduction is None:
        y[key] = updates
    elif reduction in ways:
        ways[reduction].at(y, key, updates)
    else:
        raise ValueError(f"scatter_update: expected one of {', '.join(ways)} as reduction, got {reduction!r}.")

    def by_inputs(d: Array) -> Array:
        if reduction == "add":
            return d
        d = d.copy()
        if reduction is None:
            d[key] = 0
        else:
            d *= (y == inputs) if reduction != "mul" else np.where(inputs == 0, 0, y / np.where(inputs == 0, 1, inputs))
        return d

    def by_updates(d: Array) -> Array:
        if reduction in (None, "add"):
            return d[key]
        return d[key] * ((y[key] == updates) if reduction != "mul" else inputs[key])

    return y, (by_inputs, None, by_updates)


# --- conditions -------------------------------------------------------------------------------------------------------


@primitive(arrays=3)
def where(condition: Any, x1: Any = None, x2: Any = None) -> tuple[Any, Any]:
    """`x1` where the condition is true, else `x2`; with the condition alone the places where it is true."""
    if (x1 is None) != (x2 is None):
        raise ValueError("where: expected both x1 and x2, or neither.")
    if x1 is None:
        return tuple(places.astype("int32") for places in np.nonzero(condition)), None
    x1, x2 = promoted([x1, x2])
    return np.where(condition, x1, x2), (
        None,
        lambda d: np.where(condition, d, 0),
        lambda d: np.where(condition, 0, d),
    )


@composite(arrays=3)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """For each number the choice of the first condition that is true there."""
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


@primitive()
def nonzero(x: Any) -> tuple[Any, Any]:
    """The places of what is not zero: an array of indices for each axis."""
    return tuple(places.astype("int32") for places in np.nonzero(x)), None


@primitive()
def unravel_index(indices: Any, shape: Any) -> tuple[Any, Any]:
    """The places, in an array of this shape, of the numbers at `indices` in a row."""
    dtype = np.asarray(indices).dtype
    return tuple(places.astype(dtype) for places in np.unravel_index(indices, tuple(shape))), None


# --- classes ----------------------------------------------------------------------------------------------------------


@primitive()
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> tuple[Any, Any]:
    """A new axis of `num_classes` that is 1 at the class number and 0 elsewhere; all 0 for a number outside."""
    _refuse_sparse("one_hot", sparse)
    classes = np.asarray(x).astype(np.int64)
    y = (classes[..., None] == np.arange(num_classes)).astype(as_dtype(dtype))
    return np.moveaxis(y, -1, axis), None


@primitive()
def multi_hot(
    inputs: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> tuple[Any, Any]:
    """`num_classes` numbers for each row of class numbers: 1 for those in the row, else 0."""
    _refuse_sparse("multi_hot", sparse)
    classes = np.asarray(inputs)
    y = (classes[..., None] == np.arange(num_classes)).any(-2 if classes.ndim else -1)
    return np.moveaxis(y.astype(as_dtype(dtype)), -1, axis), None


def _refuse_sparse(name: str, sparse: Any) -> None:
    if sparse:
        raise ValueError(f"{name}: sparse={sparse!r} is not supported by fastgru; the result is a dense array.")


@primitive()
def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> tuple[Any, Any]:
    """The sums of the rows that have the same number in `segment_ids`."""
    data, ids = np.asarray(data), np.asarray(values(segment_ids)).astype(np.intp)
    count = int(ids.max()) + 1 if num_segments is None else num_segments
    inside = (ids >= 0) & (ids < count)
    y = np.zeros((count, *data.shape[1:]), data.dtype)
    np.add.at(y, ids[inside], data[inside])

    def pull(d: Array) -> Array:
        total = np.zeros_like(data)
        total[inside] = d[ids[inside]]
        return total

    return y, (pull,)


@primitive()
def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> tuple[Any, Any]:
    """The largest of the rows that have the same number in `segment_ids`; minus infinity where none has."""
    data, ids = np.asarray(data), np.asarray(values(segment_ids)).astype(np.intp)
    count = int(ids.max()) + 1 if num_segments is None else num_segments
    lowest = -np.inf if data.dtype.kind == "f" else np.iinfo(data.dtype).min
    y = np.full((count, *data.shape[1:]), lowest, data.dtype)
    np.maximum.at(y, ids, data)

    def pull(d: Array) -> Array:
        extreme = (data == y[ids]).astype(d.dtype)
        counts = np.zeros_like(y)
        np.add.at(counts, ids, extreme)
        return extreme * (d / np.where(counts == 0, 1, counts))[ids]

    return y, (pull,)


# --- order ------------------------------------------------------------------------------------------------------------


@primitive()
def sorted_along(x: Any, axis: int = -1) -> tuple[Any, Any]:
    """The numbers in rising order along an axis."""
    x = np.asarray(x)
    order = np.argsort(x, axis, kind="stable")

    def pull(d: Array) -> Array:
        total = np.empty_like(d)
        np.put_along_axis(total, order, d, axis)
        return total

    return np.take_along_axis(x, order, axis), (pull,)


@composite()
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """The windows of `sequence_length` numbers along the last axis, one every `sequence_stride`."""
    x = shaping.as_tensor(x)
    starts = np.arange(0, x.shape[-1] - sequence_length + 1, sequence_stride)
    return take(x, starts[:, None] + np.arange(sequence_length), -1)
