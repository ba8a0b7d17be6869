"""Numbers in another shape, order or dtype, and arrays put into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from fastgru.autodiff.tensor import Tensor
from fastgru.moved import attributes
from fastgru.ops.op import as_dtype, common_dtype, composite, primitive, promoted, values
from fastgru.types import Array

__all__ = [
    "append",
    "array_split",
    "as_tensor",
    "broadcast_to",
    "cast",
    "concatenate",
    "copy",
    "dsplit",
    "dstack",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "meshgrid",
    "moveaxis",
    "pad",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "rot90",
    "saturate_cast",
    "split",
    "squeeze",
    "stack",
    "stop_gradient",
    "swapaxes",
    "tile",
    "transpose",
    "unstack",
    "vsplit",
    "vstack",
]


def as_tensor(x: Any, convert: Callable[[Any], Array] = np.asarray) -> Any:
    """`x` itself where it is a tensor that `convert` leaves alone, else what that makes of it, as a tensor."""
    return x if type(x) is Tensor and convert(array := x.view(np.ndarray)) is array else _converted(x, convert)


@primitive()
def _converted(x: Any, convert: Callable[[Any], Array]) -> tuple[Any, Any]:
    array = np.asarray(x, "int32") if type(x) is int else np.asarray(x, "float32") if type(x) is float else x
    return convert(array), (lambda d: d,)


@primitive()
def cast(x: Any, dtype: Any) -> tuple[Any, Any]:
    """`x` in another dtype."""
    return np.asarray(x).astype(as_dtype(dtype), copy=False), (lambda d: d,)


@primitive()
def saturate_cast(x: Any, dtype: Any) -> tuple[Any, Any]:
    """`x` in another dtype, numbers outside its range set to the nearest inside."""
    x, kind = np.asarray(x), as_dtype(dtype)
    if kind.kind not in "iu" and kind.kind != "f":
        return x.astype(kind), None
    limits: Any = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    return np.clip(x, limits.min, limits.max).astype(kind), (lambda d: d * ((x >= limits.min) & (x <= limits.max)),)


@primitive()
def copy(x: Any) -> tuple[Any, Any]:
    """A copy of `x`."""
    return np.array(x), (lambda d: d,)


@primitive()
def stop_gradient(variable: Any) -> tuple[Any, Any]:
    """The numbers of `variable` as a constant, which no gradient passes."""
    return np.asarray(variable), None


# --- shapes -----------------------------------------------------------------------------------------------------------


@primitive()
def reshape(x: Any, newshape: Any) -> tuple[Any, Any]:
    """The same numbers in another shape; one size may be -1, which is what is left over."""
    x = np.asarray(x)
    sizes = [newshape] if isinstance(newshape, (int, np.integer)) else newshape
    # a free axis of Keras's static shape is None
    return np.reshape(x, [-1 if size is None else int(size) for size in sizes]), (lambda d: d.reshape(x.shape),)


@primitive()
def expand_dims(x: Any, axis: Any) -> tuple[Any, Any]:
    """`x` with a new axis of length 1, or several."""
    x = np.asarray(x)
    return np.expand_dims(x, axis), (lambda d: d.reshape(x.shape),)


@primitive()
def squeeze(x: Any, axis: Any = None) -> tuple[Any, Any]:
    """`x` without axes of length 1: all of them, or those named."""
    x = np.asarray(x)
    return np.squeeze(x, tuple(axis) if isinstance(axis, list) else axis), (lambda d: d.reshape(x.shape),)


@primitive()
def ravel(x: Any) -> tuple[Any, Any]:
    """The numbers in a row."""
    x = np.asarray(x)
    return x.reshape(-1), (lambda d: d.reshape(x.shape),)


@primitive()
def broadcast_to(x: Any, shape: Any) -> tuple[Any, Any]:
    """`x` repeated along new axes and those of length 1."""
    return np.broadcast_to(x, tuple(shape)), (lambda d: d,)


# --- the order of axes ------------------------------------------------------------------------------------------------


@primitive()
def transpose(x: Any, axes: Any = None) -> tuple[Any, Any]:
    """The axes in another order; the reverse one where none is named."""
    x = np.asarray(x)
    inverse = None if axes is None else np.argsort([axis % x.ndim for axis in axes]).tolist()
    return np.transpose(x, axes), (lambda d: np.transpose(d, inverse),)


@primitive()
def swapaxes(x: Any, axis1: int, axis2: int) -> tuple[Any, Any]:
    """Two axes in each other's place."""
    return np.swapaxes(x, axis1, axis2), (lambda d: np.swapaxes(d, axis1, axis2),)


@primitive()
def moveaxis(x: Any, source: Any, destination: Any) -> tuple[Any, Any]:
    """Axes moved to other places, the others in their order."""
    return np.moveaxis(x, source, destination), (lambda d: np.moveaxis(d, destination, source),)


@primitive()
def flip(x: Any, axis: Any = None) -> tuple[Any, Any]:
    """The numbers from last to first along an axis, several, or all."""
    return np.flip(x, axis), (lambda d: np.flip(d, axis),)


@composite()
def fliplr(x: Any) -> Any:
    """The columns from last to first."""
    return flip(x, 1)


@composite()
def flipud(x: Any) -> Any:
    """The rows from last to first."""
    return flip(x, 0)


@primitive()
def roll(x: Any, shift: Any, axis: Any = None) -> tuple[Any, Any]:
    """The numbers moved along, what falls off at the end comes in at the beginning."""
    back = np.negative(shift).tolist()
    return np.roll(x, shift, axis), (lambda d: np.roll(d, back, axis),)


@primitive()
def rot90(array: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> tuple[Any, Any]:
    """`array` turned by `k` quarters in the plane of two axes."""
    return np.rot90(array, k, axes), (lambda d: np.rot90(d, -k, axes),)


# --- several arrays ---------------------------------------------------------------------------------------------------


def _common(arrays: Sequence[Any]) -> list[Array]:
    numbers = [np.asarray(x) for x in promoted(arrays)]
    dtypes = {x.dtype for x in numbers}
    if len(dtypes) > 1:
        dtype = common_dtype(dtypes, [])
        return [x.astype(dtype, copy=False) for x in numbers]
    return numbers


@primitive(listed=True)
def concatenate(xs: Any, axis: int = 0) -> tuple[Any, Any]:
    """Arrays one behind the other along an axis."""
    arrays = _common(xs)
    ends = list(accumulate(x.shape[axis] for x in arrays))[:-1]
    return np.concatenate(arrays, axis), lambda d: np.split(d, ends, axis)


@primitive(listed=True)
def stack(x: Any, axis: int = 0) -> tuple[Any, Any]:
    """Arrays of one shape along a new axis."""
    return np.stack(_common(x), axis), lambda d: np.moveaxis(d, axis, 0)


@composite(arrays=2)
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """`x2` behind `x1` along an axis, or both in a row."""
    if axis is None:
        return concatenate([ravel(x1), ravel(x2)])
    return concatenate([x1, x2], axis)


def _at_least(x: Any, rank: int) -> Any:
    x = as_tensor(x)
    if rank == 1:
        return reshape(x, x.shape or (1,))
    if rank == 2:
        return reshape(x, (1,) * (2 - x.ndim) + x.shape) if x.ndim < 2 else x
    shapes = {0: (1, 1, 1), 1: (1, *x.shape, 1), 2: (*x.shape, 1)}
    return reshape(x, shapes.get(x.ndim, x.shape))


@composite(listed=True)
def hstack(xs: Any) -> Any:
    """Arrays beside each other: along the second axis, vectors along their only one."""
    arrays = [_at_least(x, 1) for x in xs]
    return concatenate(arrays, 0 if arrays[0].ndim == 1 else 1)


@composite(listed=True)
def vstack(xs: Any) -> Any:
    """Arrays below each other: along the first axis, vectors as rows."""
    return concatenate([_at_least(x, 2) for x in xs], 0)


@composite(listed=True)
def dstack(xs: Any) -> Any:
    """Arrays behind each other along the third axis."""
    return concatenate([_at_least(x, 3) for x in xs], 2)


@primitive()
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> tuple[Any, Any]:
    """`x` cut into so many equal parts along an axis, or at these places."""
    return _parts(np.split, x, indices_or_sections, axis)


@primitive()
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> tuple[Any, Any]:
    """`x` cut into so many nearly equal parts along an axis, or at these places."""
    return _parts(np.array_split, x, indices_or_sections, axis)


def _parts(function: Callable[..., Any], x: Any, where: Any, axis: int) -> tuple[Any, Any]:
    parts = function(x, where, axis)

    def pull(*ds: Array | None) -> list[Array]:
        pairs = zip(parts, ds, strict=True)
        return [np.concatenate([np.zeros_like(part) if d is None else d for part, d in pairs], axis)]

    return parts, pull


@composite()
def hsplit(x: Any, indices_or_sections: Any) -> Any:
    """`split` along the second axis."""
    return split(x, indices_or_sections, 1)


@composite()
def vsplit(x: Any, indices_or_sections: Any) -> Any:
    """`split` along the first axis."""
    return split(x, indices_or_sections, 0)


@composite()
def dsplit(x: Any, indices_or_sections: Any) -> Any:
    """`split` along the third axis."""
    return split(x, indices_or_sections, 2)


@primitive()
def unstack(x: Any, num: int | None = None, axis: int = 0) -> tuple[Any, Any]:
    """The arrays of which `x` is the stack along an axis."""
    x = np.asarray(x)
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"unstack: expected num to be the length {x.shape[axis]} of axis {axis}, got {num!r}.")
    parts = list(np.moveaxis(x, axis, 0))

    def pull(*ds: Array | None) -> list[Array]:
        pairs = zip(parts, ds, strict=True)
        return [np.stack([np.zeros_like(part) if d is None else d for part, d in pairs], axis)]

    return parts, pull


@composite(arrays=-1)
def meshgrid(*x: Any, indexing: str = "xy") -> Any:
    """For vectors of coordinates their grids, each of the shape of the grid."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: expected 'xy' or 'ij' as indexing, got {indexing!r}.")
    vectors = [ravel(one) for one in x]
    axes = list(range(len(vectors)))
    if indexing == "xy" and len(axes) > 1:
        axes[:2] = 1, 0
    shape = [0] * len(axes)
    for axis, vector in zip(axes, vectors, strict=True):
        shape[axis] = len(vector)
    return [
        broadcast_to(reshape(vector, [-1 if axis == other else 1 for other in range(len(axes))]), shape)
        for axis, vector in zip(axes, vectors, strict=True)
    ]


# --- repetition and padding -------------------------------------------------------------------------------------------


@primitive()
def tile(x: Any, repeats: Any) -> tuple[Any, Any]:
    """`x` repeated as a whole, so many times along each axis."""
    x = np.asarray(x)

    def pull(d: Array) -> Array:
        shape = (1,) * (d.ndim - x.ndim) + x.shape
        sizes = [one for new, old in zip(d.shape, shape, strict=True) for one in (new // (old or 1), old)]
        return d.reshape(sizes).sum(tuple(range(0, 2 * d.ndim, 2))).reshape(x.shape)

    return np.tile(x, repeats), (pull,)


@primitive()
def repeat(x: Any, repeats: Any, axis: int | None = None) -> tuple[Any, Any]:
    """Each entry along an axis, or each number, so many times."""
    x = np.asarray(x)
    along, size = (0, x.size) if axis is None else (axis, x.shape[axis])
    counts = np.broadcast_to(values(repeats), size)

    def pull(d: Array) -> Array:
        if not counts.all():
            total = np.zeros(x.size if axis is None else x.shape, d.dtype)
            np.add.at(np.moveaxis(total, along, 0), np.repeat(np.arange(size), counts), np.moveaxis(d, along, 0))
            return total.reshape(x.shape)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        return np.add.reduceat(d, starts, along).reshape(x.shape)

    return np.repeat(x, counts, axis), (pull,)


@primitive()
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> tuple[Any, Any]:
    """`x` with more numbers before and behind it along each axis.

    Parameters
    ----------
    x : array_like
    pad_width : int, (int, int), or one of them for each axis
        How many come before and behind.
    mode : {"constant", "reflect", "symmetric", "edge", "wrap"}
        What they are: numbers of a constant, or of the array itself.
    constant_values : float, optional
        0 where absent; for the mode "constant".
    """
    x = np.asarray(x)
    if mode != "constant" and constant_values is not None:
        raise ValueError(f"pad: constant_values goes with the mode 'constant', got mode={mode!r}.")
    widths = np.broadcast_to(values(pad_width), (x.ndim, 2)).tolist()
    if mode == "constant":
        inside = tuple(slice(before, before + size) for (before, _), size in zip(widths, x.shape, strict=True))
        return np.pad(x, widths, constant_values=constant_values or 0), (lambda d: d[inside],)

    def pull(d: Array) -> Array:
        total = np.zeros(x.size, d.dtype)
        np.add.at(total, np.pad(np.arange(x.size).reshape(x.shape), widths, mode), d)  # type: ignore[call-overload]
        return total.reshape(x.shape)

    return np.pad(x, widths, mode), (pull,)  # type: ignore[call-overload]


__getattr__ = attributes(__name__)
