"""The cross-entropies of losses.pxi: losses and gradients of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.kernels import EPSILON

Array = npt.NDArray[Any]


def _clipped(p: Array) -> Array:
    return np.minimum(np.maximum(p, EPSILON), 1 - EPSILON)


def binary_crossentropy(t: Array, p: Array) -> tuple[Array, Array]:
    """-mean_j (t_j log p_j + (1 - t_j) log(1 - p_j)) and its gradient by p, of rows (N, C)."""
    q = _clipped(p)
    losses = -(t * np.log(q) + (1 - t) * np.log(1 - q)).mean(axis=1)
    return losses, (q - t) / (q * (1 - q) * p.shape[1]) * (q == p)


def categorical_crossentropy(t: Array, p: Array) -> tuple[Array, Array]:
    """-sum_j t_j log(p_j / s), s = sum_j p_j, and its gradient by p, of rows (N, C)."""
    total = p.sum(axis=1, keepdims=True)
    q = _clipped(p / total)
    inside = t * (q == p / total)
    return -(t * np.log(q)).sum(axis=1), (inside.sum(axis=1, keepdims=True) - inside / q) / total


def sparse_categorical_crossentropy(labels: Array, p: Array) -> tuple[Array, Array]:
    """`categorical_crossentropy` for numbers of classes (N,)."""
    return categorical_crossentropy(np.eye(p.shape[1], dtype=p.dtype)[labels], p)
