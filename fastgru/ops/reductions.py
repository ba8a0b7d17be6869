"""One number of those along some axes, and running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru.autodiff.sums import broadcast, extreme, total
from fastgru.ops import elementwise, indexing, shaping
from fastgru.ops.op import as_dtype, composite, floating, primitive, reduced_axes, values, with_axes
from fastgru.types import Array

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "average",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "diff",
    "logsumexp",
    "max",
    "mean",
    "median",
    "min",
    "nanmax",
    "nanmean",
    "nanmin",
    "nansum",
    "norm",
    "prod",
    "ptp",
    "quantile",
    "std",
    "sum",
    "trapezoid",
    "var",
]

_SUMMED = {"b": "int32", "i": "int32", "u": "uint32"}  # what Keras adds small integers up in


def _as_summed(x: Any) -> Array:
    """`x` as sums take it: no integers smaller than 32 bits."""
    array = floating(x) if type(x) is float else np.asarray(x)
    if array.dtype.kind in _SUMMED and array.dtype.itemsize < 4:
        return array.astype(_SUMMED[array.dtype.kind])
    return array.astype("int32") if type(x) is int else array


def _spread(shape: tuple[int, ...], axes: tuple[int, ...]) -> Callable[[Array], Array]:
    """A gradient by a reduction along the axes, at every number of `shape` that was reduced."""
    with_ones = with_axes(shape, axes)
    return lambda d: broadcast(d.reshape(with_ones), shape)


def _axis(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


@primitive()
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """The sum along an axis, several, or all."""
    x = _as_summed(x)
    axes = reduced_axes(axis, x.ndim)
    return total(x, axes, keepdims).astype(x.dtype, copy=False), (_spread(x.shape, axes),)


@primitive()
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """The mean along an axis, several, or all."""
    x = floating(x)
    axes = reduced_axes(axis, x.ndim)
    if x.size and x.dtype.itemsize > 2:
        y = total(x, axes, keepdims)
        y /= x.size // y.size
    else:
        y = np.asarray(np.mean(x, axes, keepdims=keepdims))
    spread, part = _spread(x.shape, axes), y.size / (x.size or 1)
    return y, (lambda d: spread(d * part),)


@composite()
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The variance along an axis, several, or all."""
    x = shaping.as_tensor(x, floating)
    return mean(elementwise.square(x - mean(x, axis, keepdims=True)), axis, keepdims)


@composite()
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The standard deviation along an axis, several, or all."""
    return elementwise.sqrt(var(x, axis, keepdims))


def _extreme(ufunc: np.ufunc, x: Any, axis: Any, keepdims: bool, initial: Any) -> tuple[Any, Any]:
    """The largest or smallest number, and its gradient, which equals share, as in JAX."""
    x = np.asarray(x)
    axes = reduced_axes(axis, x.ndim)
    if initial is None:
        y = extreme(ufunc, x, axes, keepdims)
    else:
        y = np.asarray(ufunc.reduce(x, axes, keepdims=keepdims, initial=initial))
    shape = with_axes(x.shape, axes)

    def pull(d: Array) -> Array:
        chosen = (x == y.reshape(shape)).astype(d.dtype)
        counts = total(chosen, axes, keepdims=True)
        chosen *= d.reshape(shape) / np.maximum(counts, 1)
        return chosen

    return y, (pull,)


@primitive()
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> tuple[Any, Any]:
    """The largest number along an axis, several, or all, `initial` among them; equals share the gradient."""
    return _extreme(np.maximum, x, axis, keepdims, initial)


@primitive()
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> tuple[Any, Any]:
    """The smallest number along an axis, several, or all, `initial` among them; equals share the gradient."""
    return _extreme(np.minimum, x, axis, keepdims, initial)


@composite()
def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`max`."""
    return max(x, axis, keepdims)


@composite()
def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`min`."""
    return min(x, axis, keepdims)


@composite()
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest minus the smallest number along an axis."""
    return max(x, axis, keepdims) - min(x, axis, keepdims)


@primitive()
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> tuple[Any, Any]:
    """The product along an axis, several, or all."""
    x = _as_summed(x) if dtype is None else np.asarray(x, as_dtype(dtype))
    axes = reduced_axes(axis, x.ndim)
    shape = with_axes(x.shape, axes)

    def pull(d: Array) -> Array:
        # the product of all others: from both ends, so that a zero divides nothing
        order = [one for one in range(x.ndim) if one not in axes] + list(axes)
        moved = x.transpose(order)
        rows = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
        ones = np.ones_like(rows[..., :1])
        before = np.cumprod(np.concatenate([ones, rows[..., :-1]], -1), -1)
        behind = np.cumprod(np.concatenate([ones, rows[..., :0:-1]], -1), -1)[..., ::-1]
        return d.reshape(shape) * (before * behind).reshape(moved.shape).transpose(np.argsort(order))

    return np.prod(x, _axis(axis), x.dtype, keepdims=keepdims), (pull,)


@primitive()
def any(x: Any, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """Whether one is true along an axis, several, or all."""
    return np.any(x, _axis(axis), keepdims=keepdims), None


@primitive()
def all(x: Any, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """Whether all are true along an axis, several, or all."""
    return np.all(x, _axis(axis), keepdims=keepdims), None


@primitive()
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> tuple[Any, Any]:
    """Where the largest number stands along an axis, or among all; of equals the first."""
    return np.argmax(x, axis, keepdims=keepdims).astype("int32"), None


@primitive()
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> tuple[Any, Any]:
    """Where the smallest number stands along an axis, or among all; of equals the first."""
    return np.argmin(x, axis, keepdims=keepdims).astype("int32"), None


@primitive()
def count_nonzero(x: Any, axis: Any = None) -> tuple[Any, Any]:
    """How many numbers are not zero along an axis, several, or all."""
    return np.asarray(np.count_nonzero(x, _axis(axis))).astype("int32"), None


@primitive()
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """``log(sum(exp(x)))`` along an axis, several, or all, which no large number overflows."""
    x = floating(x)
    axes = reduced_axes(axis, x.ndim)
    largest = np.max(x, axes, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0).astype(x.dtype)
    e = np.exp(x - largest)
    total = e.sum(axes, keepdims=True)
    with np.errstate(divide="ignore"):  # of nothing but minus infinity: itself, with a gradient of 0
        y = np.log(total) + largest
    shape = y.shape
    if not keepdims:
        y = y.reshape([size for one, size in enumerate(x.shape) if one not in axes])
    return y, (lambda d: d.reshape(shape) * (e / np.where(total == 0, 1, total)),)


@composite()
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """The mean along an axis with weights, which may be a vector for one axis."""
    if weights is None:
        return mean(x, axis)
    x, weights = shaping.as_tensor(x, floating), shaping.as_tensor(weights, floating)
    if weights.ndim == 1 and x.ndim > 1:
        shape = [1] * x.ndim
        shape[axis] = -1
        weights = shaping.reshape(weights, shape)
    weights = weights + elementwise.multiply(x, 0)
    return sum(x * weights, axis) / sum(weights, axis)


def _as_running(x: Any, dtype: Any) -> Array:
    x = np.asarray(x)
    return x.astype(as_dtype(dtype, "int32" if x.dtype.kind == "b" else x.dtype.name), copy=False)


@primitive()
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> tuple[Any, Any]:
    """The sums of the numbers so far along an axis, or of all in a row."""
    x = _as_running(x, dtype)
    along, shape = 0 if axis is None else axis, x.shape
    return np.cumsum(x, axis, x.dtype), (lambda d: np.flip(np.cumsum(np.flip(d, along), along), along).reshape(shape),)


@primitive()
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> tuple[Any, Any]:
    """The products of the numbers so far along an axis, or of all in a row."""
    x = _as_running(x, dtype)
    rows = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)

    def pull(d: Array) -> Array:
        # backwards: y[i] = y[i - 1] x[i]
        d = d if axis is None else np.moveaxis(d, axis, -1)
        y = np.cumprod(rows, -1)
        d_rows, d_y = np.empty_like(d), np.zeros_like(d[..., 0])
        for step in reversed(range(rows.shape[-1])):
            d_y = d_y + d[..., step]
            d_rows[..., step] = d_y * (y[..., step - 1] if step else 1)
            d_y = d_y * rows[..., step]
        return d_rows.reshape(x.shape) if axis is None else np.moveaxis(d_rows, -1, axis)

    return np.cumprod(x, axis, x.dtype), (pull,)


@composite()
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """The differences of neighbours along an axis, taken `n` times."""
    a = shaping.as_tensor(a)
    for _ in range(n):
        size = a.shape[axis]
        later, earlier = (indexing.take(a, np.arange(start, start + size - 1), axis) for start in (1, 0))
        a = elementwise.subtract(later, earlier) if a.dtype.kind != "b" else later != earlier
    return a


@composite()
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors along one axis, or of matrices along two.

    Parameters
    ----------
    x : array_like
    ord : int, float, "fro" or "nuc", optional
        Which norm; the Euclidean one where absent. Of matrices 1, -1, inf, -inf and "fro" are supported.
    axis : int or (int, int), optional
        All numbers as one vector where it is absent, and `ord` with it.
    keepdims : bool
    """
    x = shaping.as_tensor(x, floating)
    axes = reduced_axes(axis, x.ndim)
    size = elementwise.absolute(x)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return elementwise.sqrt(sum(elementwise.square(x), axes, keepdims))
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        along = axes if ord in (1, -1) else axes[::-1]
        reduce = max if ord > 0 else min
        y = reduce(sum(size, along[0], keepdims=True), along[1], keepdims=True)
        return y if keepdims else shaping.squeeze(y, axes)
    if len(axes) != 1 or isinstance(ord, str):
        raise ValueError(f"norm: ord={ord!r} along {len(axes)} axes is not supported by fastgru; take ord='fro'.")
    if ord in (np.inf, -np.inf):
        return (max if ord > 0 else min)(size, axes, keepdims)
    if ord == 0:
        return sum(shaping.cast(x != 0, x.dtype), axes, keepdims)
    return elementwise.power(sum(elementwise.power(size, ord), axes, keepdims), 1 / ord)


@composite(arrays=2)
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The q-th quantiles (q from 0 to 1) along an axis, several, or all.

    Parameters
    ----------
    x : array_like
    q : float or (Q,) array_like
    axis : int or tuple of int, optional
    method : {"linear", "lower", "higher", "midpoint", "nearest"}
        What stands between two numbers.
    keepdims : bool
    """
    x = shaping.as_tensor(x, floating)
    axes = reduced_axes(axis, x.ndim)
    others = [one for one in range(x.ndim) if one not in axes]
    rows = shaping.transpose(x, [*others, *axes])
    rows = indexing.sorted_along(shaping.reshape(rows, (*(x.shape[one] for one in others), -1)), -1)
    q = np.asarray(values(q), "float64")
    place = q.reshape(-1) * (rows.shape[-1] - 1)
    lower, upper = np.floor(place).astype(int), np.ceil(place).astype(int)
    part = {"linear": place - lower, "lower": 0 * place, "higher": np.ceil(place - lower),
            "midpoint": np.where(lower == upper, 0, 0.5), "nearest": np.round(place) - lower}.get(method)  # fmt: skip
    if part is None:
        raise ValueError(f"quantile: expected linear, lower, higher, midpoint or nearest as method, got {method!r}.")
    part = part.astype(x.dtype)
    y = indexing.take(rows, lower, -1) * (1 - part) + indexing.take(rows, upper, -1) * part
    y = shaping.moveaxis(y, -1, 0)
    shape = with_axes(x.shape, axes) if keepdims else tuple(x.shape[one] for one in others)
    return shaping.reshape(y, (*q.shape, *shape))


@composite()
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The median along an axis, several, or all."""
    return quantile(x, 0.5, axis, keepdims=keepdims)


@composite()
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral along an axis by the trapezoidal rule, of numbers at `x`, or `dx` apart."""
    y = shaping.as_tensor(y, floating)
    places = np.arange(y.shape[axis] - 1)
    both = indexing.take(y, places, axis) + indexing.take(y, places + 1, axis)
    if x is None:
        return sum(both, axis) * (dx / 2)
    steps = diff(x)
    if steps.ndim == 1:
        shape = [1] * y.ndim
        shape[axis] = -1
        steps = shaping.reshape(steps, shape)
    return sum(both * steps, axis) / 2


# --- without what is not a number -------------------------------------------------------------------------------------


@composite()
def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum of the numbers that are not NaN."""
    x = shaping.as_tensor(x)
    return sum(indexing.where(np.isnan(values(x)), 0, x), axis, keepdims)


@composite()
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean of the numbers that are not NaN."""
    x = shaping.as_tensor(x, floating)
    counts = ~np.isnan(values(x))
    return nansum(x, axis, keepdims) / counts.sum(_axis(axis), keepdims=keepdims).astype(x.dtype)


@composite()
def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest of the numbers that are not NaN."""
    x = shaping.as_tensor(x)
    return max(indexing.where(np.isnan(values(x)), -np.inf, x), axis, keepdims)


@composite()
def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest of the numbers that are not NaN."""
    x = shaping.as_tensor(x)
    return min(indexing.where(np.isnan(values(x)), np.inf, x), axis, keepdims)
