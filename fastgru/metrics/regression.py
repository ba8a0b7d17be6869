"""Errors of numbers, and how much of their variance is explained."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, losses
from fastgru.autodiff import Tensor
from fastgru.losses.loss import as_float, same_shape
from fastgru.metrics.metric import KIND, Metric
from fastgru.metrics.reductions import Mean, MeanMetricWrapper, float_dtype
from fastgru.metrics.variable import as_result
from fastgru.metrics.weights import broadcast_weights, check_rows
from fastgru.registry import registered
from fastgru.types import Array

__all__ = [
    "CosineSimilarity",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "R2Score",
    "RootMeanSquaredError",
]


@registered(KIND, "mse", "MSE")
class MeanSquaredError(MeanMetricWrapper):
    """The mean of squared errors."""

    def __init__(self, name: str | None = "mean_squared_error", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


@registered(KIND, "mae", "MAE")
class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of absolute errors."""

    def __init__(self, name: str | None = "mean_absolute_error", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


@registered(KIND, "mape", "MAPE")
class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of errors in percent of the labels."""

    def __init__(self, name: str | None = "mean_absolute_percentage_error", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


@registered(KIND, "msle", "MSLE")
class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of `losses.mean_squared_logarithmic_error`."""

    def __init__(self, name: str | None = "mean_squared_logarithmic_error", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


@registered(KIND)
class LogCoshError(MeanMetricWrapper):
    """The mean of `losses.log_cosh`."""

    def __init__(self, name: str | None = "logcosh", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.log_cosh, name, dtype)


@registered(KIND)
class RootMeanSquaredError(Mean):
    """The root of the mean of all squared errors."""

    direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        """Take labels and predictions of a batch into account, perhaps with one weight for each sample."""
        predictions = as_float(y_pred)
        targets, predictions = same_shape(np.asarray(y_true, predictions.dtype), predictions, f"Metric {self.name!r}")
        super().update_state(np.square(predictions - targets), sample_weight)

    def result(self) -> Tensor:
        return as_result(math.sqrt(self.mean), float_dtype(self.dtype))


def _cosine(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, axis: int) -> Array:
    return -losses.cosine_similarity(y_true, y_pred, axis)


@registered(KIND)
class CosineSimilarity(MeanMetricWrapper):
    """The mean of the cosine of the angle between labels and predictions along an axis: 1 where they point alike."""

    direction = "up"

    def __init__(
        self, name: str | None = "cosine_similarity", dtype: npt.DTypeLike | None = None, axis: int = -1
    ) -> None:
        self.axis = checks.integer(axis, "CosineSimilarity", "axis")
        super().__init__(_cosine, name, dtype, axis=axis)

    def get_config(self) -> dict[str, Any]:
        # Keras never writes the axis and would come back with the last one; it reads one that is there
        return super().get_config() | ({} if self.axis == -1 else {"axis": self.axis})


@registered(KIND)
class R2Score(Metric):
    """The coefficient of determination: ``1 - sum((y_true - y_pred) ** 2) / sum((y_true - mean(y_true)) ** 2)``.

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average"} or None
        How the scores of the outputs, the last axis, become one; None gives one for each.
    num_regressors : int
        Of the adjusted score; 0 for the plain one.
    name, dtype
        See `Metric`.
    """

    direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        aggregations = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in aggregations:
            raise ValueError(
                f"R2Score: Invalid value for argument `class_aggregation`: class_aggregation must be one of "
                f"{', '.join(map(str, aggregations))}, got {class_aggregation!r}."
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = checks.integer(num_regressors, "R2Score", "num_regressors")
        if num_regressors < 0:
            raise ValueError(
                f"R2Score: Invalid value for argument `num_regressors`: num_regressors must be at least 0, "
                f"got {num_regressors}."
            )
        super().__init__(dtype, name)
        self.num_samples = self.add_variable((), dtype="float64", name="num_samples")
        self._built = False

    def _build(self, y_true_shape: tuple[int, ...], y_pred_shape: tuple[int, ...]) -> None:
        check_rows(y_true_shape, y_pred_shape, f"Metric {self.name!r}")
        outputs = y_pred_shape[-1:]
        self.squared_sum = self.add_variable(outputs, dtype="float64", name="squared_sum")
        self.sum = self.add_variable(outputs, dtype="float64", name="sum")
        self.total_mse = self.add_variable(outputs, dtype="float64", name="residual")
        self.count = self.add_variable(outputs, dtype="float64", name="count")
        self._built = True

    def update_state(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        """Take a batch into account: labels and predictions (samples, outputs), weights of samples or of both."""
        where = f"Metric {self.name!r}"
        targets, predictions = same_shape(np.asarray(y_true, "float64"), np.asarray(y_pred, "float64"), where)
        weights = broadcast_weights(1.0 if sample_weight is None else sample_weight, targets.shape, where)
        if not self._built:
            self._build(targets.shape, predictions.shape)
        self.sum.assign_add((targets * weights).sum(axis=0))
        self.squared_sum.assign_add((targets * targets * weights).sum(axis=0))
        self.total_mse.assign_add((np.square(targets - predictions) * weights).sum(axis=0))
        self.count.assign_add(weights.sum(axis=0))
        self.num_samples.assign_add(targets.size)

    def result(self) -> Tensor:
        """The score, or one for each output."""
        if not self._built:
            raise ValueError(f"Metric {self.name!r}: has no result before the first update_state.")
        with np.errstate(divide="ignore", invalid="ignore"):
            total = self.squared_sum.value - np.square(self.sum.value) / self.count.value
            score = 1 - self.total_mse.value / total
            score = np.where(np.isinf(score), 0.0, score)
            if self.class_aggregation == "uniform_average":
                score = score.mean()
            elif self.class_aggregation == "variance_weighted_average":
                score = (total * score).sum() / total.sum()
        return as_result(self._adjusted(score), float_dtype(self.dtype))

    def _adjusted(self, score: Array) -> Array:
        count = float(self.num_samples.value)
        free = count - self.num_regressors - 1
        if self.num_regressors and free > 0:
            return 1 - (1 - score) * (count - 1) / free
        if self.num_regressors:
            why = "would divide by 0" if free == 0 else "needs more numbers than regressors"
            warnings.warn(f"Metric {self.name!r}: the adjusted score {why}; this is the plain one.", stacklevel=3)
        return score

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }
