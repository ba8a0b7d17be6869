"""Losses of numbers: relative, logarithmic and robust errors, and the angle between vectors."""

from __future__ import annotations

import math

import numpy.typing as npt

from fastgru import ops
from fastgru.autodiff.tensor import Tensor
from fastgru.kernels import EPSILON
from fastgru.losses.formula_loss import FormulaLoss, pair
from fastgru.losses.loss import KIND
from fastgru.registry import registered

__all__ = [
    "CosineSimilarity",
    "Huber",
    "LogCosh",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "cosine_similarity",
    "huber",
    "log_cosh",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
]


def mean_absolute_percentage_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Tensor:
    """``100 mean(abs((y_true - y_pred) / y_true))``, with a divisor of at least 1e-7."""
    t, p = pair(y_true, y_pred, "mean_absolute_percentage_error")
    return 100 * ops.mean(ops.abs((t - p) / ops.maximum(ops.abs(t), EPSILON)), axis=-1)


@registered(KIND, "mape", "MAPE")
class MeanAbsolutePercentageError(FormulaLoss):
    """`mean_absolute_percentage_error`."""

    formula = staticmethod(mean_absolute_percentage_error)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


def mean_squared_logarithmic_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Tensor:
    """``mean((log(y_true + 1) - log(y_pred + 1)) ** 2)``; what is below 1e-7 counts as that."""
    t, p = pair(y_true, y_pred, "mean_squared_logarithmic_error")
    return ops.mean(ops.square(ops.log(ops.maximum(p, EPSILON) + 1) - ops.log(ops.maximum(t, EPSILON) + 1)), axis=-1)


@registered(KIND, "msle", "MSLE")
class MeanSquaredLogarithmicError(FormulaLoss):
    """`mean_squared_logarithmic_error`."""

    formula = staticmethod(mean_squared_logarithmic_error)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


def huber(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, delta: float = 1.0) -> Tensor:
    """The mean of ``error ** 2 / 2`` up to `delta`, and of ``delta abs(error) - delta ** 2 / 2`` beyond."""
    t, p = pair(y_true, y_pred, "huber")
    size = ops.abs(p - t)
    return ops.mean(ops.where(size <= delta, 0.5 * ops.square(size), delta * size - 0.5 * delta**2), axis=-1)


@registered(KIND)
class Huber(FormulaLoss):
    """`huber`: the square of small errors, the size of large ones.

    Parameters
    ----------
    delta : float
        Where one becomes the other; Keras leaves it out of the config, and so does this.
    """

    formula = staticmethod(huber)
    unsaved = ("delta",)

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, delta=delta)


def log_cosh(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Tensor:
    """``mean(log(cosh(y_pred - y_true)))``."""
    t, p = pair(y_true, y_pred, "log_cosh")
    size = ops.abs(p - t)
    # log(cosh(e)) = abs(e) + log(1 + exp(-2 abs(e))) - log(2), which does not overflow
    return ops.mean(size + ops.log1p(ops.exp(-2 * size)) - math.log(2), axis=-1)


@registered(KIND, "logcosh")
class LogCosh(FormulaLoss):
    """`log_cosh`."""

    formula = staticmethod(log_cosh)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "log_cosh",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


def cosine_similarity(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle between labels and predictions along an axis: -1 where they point alike."""
    t, p = (_normalized(array, axis) for array in pair(y_true, y_pred, "cosine_similarity"))
    return -ops.sum(t * p, axis=axis)


def _normalized(x: Tensor, axis: int) -> Tensor:
    # the square's lower bound and not the root's, whose gradient is infinite at 0
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), EPSILON**2))


@registered(KIND)
class CosineSimilarity(FormulaLoss):
    """`cosine_similarity`.

    Parameters
    ----------
    axis : int
        Keras leaves it out of the config, and so does this.
    """

    formula = staticmethod(cosine_similarity)
    unsaved = ("axis",)

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, axis=axis)
