"""Losses of numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgru.losses.loss import KIND, Pullback, SameShapeLoss, spread
from fastgru.registry import registered
from fastgru.types import Array

__all__ = [
    "MeanAbsoluteError",
    "MeanSquaredError",
    "mean_absolute_error",
    "mean_squared_error",
]


@registered(KIND, "mse", "MSE")
class MeanSquaredError(SameShapeLoss):
    """``mean((y_pred - y_true) ** 2)`` over the last axis."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        error = y_pred - y_true
        n = error.shape[-1]
        return (error * error).sum(axis=-1) / n, lambda d: error * spread(2 / n * d, -1)


@registered(KIND, "mae", "MAE")
class MeanAbsoluteError(SameShapeLoss):
    """``mean(abs(y_pred - y_true))`` over the last axis."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        error = y_pred - y_true
        n = error.shape[-1]
        return np.abs(error).sum(axis=-1) / n, lambda d: np.sign(error) * spread(1 / n * d, -1)


def mean_squared_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """`MeanSquaredError` of every sample."""
    return MeanSquaredError(reduction=None)(y_true, y_pred)


def mean_absolute_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """`MeanAbsoluteError` of every sample."""
    return MeanAbsoluteError(reduction=None)(y_true, y_pred)
