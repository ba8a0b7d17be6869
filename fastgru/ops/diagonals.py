"""Diagonals of matrices, and matrices cut off at one."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.ops.op import composite, primitive
from fastgru.ops.shaping import ravel
from fastgru.types import Array

__all__ = ["diag", "diagflat", "diagonal", "trace", "tril", "triu"]


@primitive()
def tril(x: Any, k: int = 0) -> tuple[Any, Any]:
    """The matrices with zeros above the k-th diagonal."""
    return np.tril(x, k), (lambda d: np.tril(d, k),)


@primitive()
def triu(x: Any, k: int = 0) -> tuple[Any, Any]:
    """The matrices with zeros below the k-th diagonal."""
    return np.triu(x, k), (lambda d: np.triu(d, k),)


@primitive()
def diag(x: Any, k: int = 0) -> tuple[Any, Any]:
    """The matrix with the vector `x` as its k-th diagonal, or that diagonal of a matrix `x`."""
    x = np.asarray(x)

    def pull(d: Array) -> Array:
        if x.ndim == 1:
            return np.diag(d, k)
        total = np.zeros_like(x)
        rows = np.arange(len(d)) + max(-k, 0)
        total[rows, rows + k] = d
        return total

    return np.diag(x, k), (pull,)


@composite()
def diagflat(x: Any, k: int = 0) -> Any:
    """The matrix with the numbers of `x` as its k-th diagonal."""
    return diag(ravel(x), k)


@primitive()
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> tuple[Any, Any]:
    """The diagonals of the matrices along two axes, as the last axis."""
    x = np.asarray(x)

    def pull(d: Array) -> Array:
        total = np.zeros_like(x)
        view = np.moveaxis(total, (axis1, axis2), (-2, -1))
        rows = np.arange(d.shape[-1]) + max(-offset, 0)
        view[..., rows, rows + offset] = d
        return total

    return np.diagonal(x, offset, axis1, axis2), (pull,)


@composite()
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of the diagonal of the matrices along two axes."""
    return _summed_last(diagonal(x, offset, axis1, axis2))


@primitive()
def _summed_last(x: Any) -> tuple[Any, Any]:
    x = x if x.dtype.kind == "f" or x.dtype.itemsize >= 4 else x.astype("int32")
    return x.sum(-1, dtype=x.dtype), (lambda d: np.broadcast_to(d[..., None], x.shape),)
