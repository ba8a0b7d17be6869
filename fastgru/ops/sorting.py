"""Orders, counts and sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.ops import indexing, shaping
from fastgru.ops.op import composite, floating, primitive, values
from fastgru.types import Array

__all__ = [
    "argpartition",
    "argsort",
    "bincount",
    "digitize",
    "histogram",
    "in_top_k",
    "isin",
    "searchsorted",
    "sort",
    "top_k",
    "unique",
]


@composite()
def sort(x: Any, axis: int | None = -1) -> Any:
    """The numbers in rising order along an axis, or of all in a row."""
    return indexing.sorted_along(shaping.ravel(x), 0) if axis is None else indexing.sorted_along(x, axis)


@primitive()
def argsort(x: Any, axis: int | None = -1) -> tuple[Any, Any]:
    """The places of the numbers in rising order along an axis; of equals the first comes first."""
    return np.argsort(x, axis, kind="stable").astype("int32"), None


@primitive()
def argpartition(x: Any, kth: int, axis: int = -1) -> tuple[Any, Any]:
    """Places in an order in which the numbers before the `kth` are not larger, and those behind it not smaller."""
    return np.argpartition(x, kth, axis).astype("int32"), None


@primitive()
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """The `k` largest numbers along the last axis, the largest first, and their places (int32)."""
    x = np.asarray(x)
    # stable, so that of equals the first comes first
    places = np.argsort(-x if x.dtype.kind == "f" else ~x, -1, kind="stable")[..., :k]

    def pull(d: Array | None, *d_places: Any) -> list[Array | None]:
        if d is None:
            return [None]
        total = np.zeros_like(x)
        np.put_along_axis(total, places, d, -1)
        return [total]

    return (np.take_along_axis(x, places, -1), places.astype("int32")), pull


@primitive(arrays=2)
def in_top_k(targets: Any, predictions: Any, k: int) -> tuple[Any, Any]:
    """Whether each target (B,) is among the `k` largest of its row of predictions (B, classes); ties count."""
    targets, predictions = np.asarray(targets), np.asarray(predictions)
    inside = (targets >= 0) & (targets < predictions.shape[1])
    picked = predictions[np.arange(len(targets)), np.where(inside, targets, 0)]
    larger = (predictions > picked[:, None]).sum(1)
    return inside & (larger < k) & np.isfinite(picked), None


@primitive(arrays=2)
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> tuple[Any, Any]:
    """Where each number would stand in a sorted vector: before ("left") or behind ("right") its equals."""
    if np.ndim(sorted_sequence) != 1:
        raise ValueError(f"searchsorted: expected a vector, got an array of {np.ndim(sorted_sequence)} axes.")
    return np.searchsorted(sorted_sequence, values, side).astype("int32"), None  # type: ignore[call-overload]


@primitive(arrays=2)
def digitize(x: Any, bins: Any) -> tuple[Any, Any]:
    """The number of the bin, between rising bounds, in which each number lies."""
    return np.asarray(np.digitize(x, bins)).astype("int32"), None


@primitive()
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> tuple[Any, Any]:
    """How often each whole number from 0 occurs, in each row of `x`, or the sum of the weights where it does."""
    if sparse:
        raise ValueError(f"bincount: sparse={sparse!r} is not supported by fastgru; the result is a dense array.")
    x = np.asarray(x)
    size = max(int(x.max()) + 1 if x.size else 0, minlength)
    rows = x.reshape(-1, x.shape[-1])
    w = None if weights is None else np.asarray(values(weights))
    factors = [None] * len(rows) if w is None else w.reshape(rows.shape)
    counts = np.stack([np.bincount(row, factor, size) for row, factor in zip(rows, factors, strict=True)])
    return counts.reshape(*x.shape[:-1], size).astype("int32" if w is None else w.dtype), None


@primitive()
def histogram(x: Any, bins: int = 10, range: Any = None) -> tuple[Any, Any]:
    """How many numbers lie in each of equally wide bins, and the bounds of these."""
    x = floating(x)
    counts, bounds = np.histogram(x, bins, range)
    return (counts.astype(x.dtype), bounds.astype(x.dtype)), None


@primitive(arrays=2)
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> tuple[Any, Any]:
    """Whether each number of `x1` is one of `x2`."""
    return np.isin(x1, x2, assume_unique, invert), None


@primitive()
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> tuple[Any, Any]:
    """The different numbers of `x`, rising; on request also where each stands first, its places, and its count."""
    more: Any = {"return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts}
    return np.unique(x, axis=axis, **more), None
