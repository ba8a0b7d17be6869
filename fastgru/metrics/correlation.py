"""Correlation of labels and predictions along an axis, averaged over the samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.kernels import EPSILON
from fastgru.losses.loss import as_float, same_shape
from fastgru.metrics.metric import KIND
from fastgru.metrics.reductions import MeanMetricWrapper
from fastgru.registry import registered
from fastgru.types import Array

__all__ = ["ConcordanceCorrelation", "PearsonCorrelation", "concordance_correlation", "pearson_correlation"]


def _centered(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, axis: int, where: str) -> tuple[Array, Array, Array]:
    """Labels and predictions without their means along an axis, and the difference of the means."""
    predictions = as_float(y_pred)
    targets, predictions = same_shape(np.asarray(y_true, predictions.dtype), predictions, where)
    target_mean, prediction_mean = (array.mean(axis=axis, keepdims=True) for array in (targets, predictions))
    return targets - target_mean, predictions - prediction_mean, np.squeeze(target_mean - prediction_mean, axis)


def pearson_correlation(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, axis: int = -1) -> Array:
    """``cov(y_true, y_pred) / (std(y_true) std(y_pred))`` along an axis; NaN where all are equal, as in Keras."""
    t, p, _ = _centered(y_true, y_pred, axis, "pearson_correlation")
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((t / t.std(axis=axis, keepdims=True)) * (p / p.std(axis=axis, keepdims=True))).mean(axis=axis)


def concordance_correlation(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, axis: int = -1) -> Array:
    """``2 cov(y_true, y_pred) / (var(y_true) + var(y_pred) + (mean(y_true) - mean(y_pred)) ** 2)`` along an axis."""
    t, p, shift = _centered(y_true, y_pred, axis, "concordance_correlation")
    return 2 * (t * p).mean(axis=axis) / (t.var(axis=axis) + p.var(axis=axis) + np.square(shift) + EPSILON)


class _Correlation(MeanMetricWrapper):
    """The mean of a correlation along an axis."""

    direction = "up"

    def __init__(self, fn: Any, name: str | None, dtype: npt.DTypeLike | None, axis: int) -> None:
        self.axis = checks.integer(axis, type(self).__name__, "axis")
        super().__init__(fn, name, dtype, axis=axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


@registered(KIND)
class PearsonCorrelation(_Correlation):
    """The mean of `pearson_correlation`."""

    def __init__(
        self, name: str | None = "pearson_correlation", dtype: npt.DTypeLike | None = None, axis: int = -1
    ) -> None:
        super().__init__(pearson_correlation, name, dtype, axis)


@registered(KIND)
class ConcordanceCorrelation(_Correlation):
    """The mean of `concordance_correlation`."""

    def __init__(
        self, name: str | None = "concordance_correlation", dtype: npt.DTypeLike | None = None, axis: int = -1
    ) -> None:
        super().__init__(concordance_correlation, name, dtype, axis)
