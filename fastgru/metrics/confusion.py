"""Metrics of true and false positives and negatives at thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.autodiff import Tensor
from fastgru.losses.loss import same_shape
from fastgru.metrics.counts import BELOW_ALL, Counts, Thresholds, only_top_k, quotient, thresholds_in_range
from fastgru.metrics.metric import KIND, Metric
from fastgru.metrics.reductions import float_dtype
from fastgru.metrics.variable import Variable, as_result
from fastgru.metrics.weights import broadcast_weights
from fastgru.registry import registered
from fastgru.types import Array

__all__ = [
    "ConfusionMetric",
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "Recall",
    "TrueNegatives",
    "TruePositives",
]


class ConfusionMetric(Metric):
    """Keeps sums of true and false positives and negatives, those in `counted`, as variables of these names.

    Attributes
    ----------
    thresholds : list of float
    top_k : int or None
        Of the last axis of predictions only the so many largest can be positive.
    class_id : int or None
        The only entry of the last axis that counts.
    """

    counted: tuple[str, ...] = Counts._fields
    true_positives: Variable
    false_positives: Variable
    true_negatives: Variable
    false_negatives: Variable

    def __init__(
        self,
        thresholds: list[float],
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        around: bool = False,
    ) -> None:
        where = type(self).__name__
        self.top_k = None if top_k is None else checks.positive_integer(top_k, where, "top_k")
        self.class_id = None if class_id is None else checks.integer(class_id, where, "class_id")
        if self.class_id is not None and self.class_id < 0:
            raise ValueError(f"{where}: class_id must be at least 0, got {class_id}.")
        super().__init__(dtype, name)
        self._thresholds = thresholds
        self._buckets = Thresholds(thresholds, around)

    @property
    def thresholds(self) -> list[float]:
        """The thresholds; a prediction above one is positive there."""
        return list(self._thresholds)

    def _add_counts(self, *labels: int) -> None:
        for name in self.counted:
            setattr(self, name, self.add_variable((len(self._thresholds), *labels), dtype="float64", name=name))

    def update_state(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        """Take a batch into account.

        Parameters
        ----------
        y_true : array_like
            Positive unless 0.
        y_pred : array_like
            Of the same shape.
        sample_weight : array_like, optional
            One weight for all, for each sample, for each sample and step, ...
        """
        counts = self._buckets.counts(*self._prepared(y_true, y_pred, sample_weight))
        for name in self.counted:
            getattr(self, name).assign_add(getattr(counts, name))

    def _prepared(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        """Labels, predictions and weights of one shape."""
        where = f"Metric {self.name!r}"
        targets, predictions = same_shape(np.asarray(y_true), np.asarray(y_pred, "float32"), where)
        if self.top_k is not None:
            predictions = only_top_k(predictions, self.top_k)
        if self.class_id is not None:
            if predictions.ndim < 2 or predictions.shape[-1] <= self.class_id:
                raise ValueError(
                    f"{where}: When class_id is provided, y_pred must be a 2D array with shape (num_samples, "
                    f"num_classes), found shape: {predictions.shape}; class_id={self.class_id} needs predictions "
                    f"(samples, classes) with more classes, got shape {predictions.shape}."
                )
            targets, predictions = (array[..., self.class_id, np.newaxis] for array in (targets, predictions))
        weights = None if sample_weight is None else broadcast_weights(sample_weight, targets.shape, where)
        return targets, predictions, weights

    def _result(self, values: Array) -> Tensor:
        """One value for each threshold, or the only one."""
        return as_result(values[0] if len(self._thresholds) == 1 else values, float_dtype(self.dtype))


class _Count(ConfusionMetric):
    """The sum of one of the four."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: npt.DTypeLike | None = None) -> None:
        values = thresholds_in_range(0.5 if thresholds is None else thresholds, type(self).__name__)
        super().__init__(values, name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.accumulator = self.add_variable((len(values),), dtype="float64", name="accumulator")

    def update_state(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        counts = self._buckets.counts(*self._prepared(y_true, y_pred, sample_weight))
        self.accumulator.assign_add(getattr(counts, self.counted[0]))

    update_state.__doc__ = ConfusionMetric.update_state.__doc__

    def result(self) -> Tensor:
        """The count, or one for each threshold."""
        return self._result(self.accumulator.value)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


@registered(KIND)
class TruePositives(_Count):
    """The number, or the sum of the weights, of positive labels whose predictions are above a threshold.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]; 0.5 where absent. Several give as many results.
    name, dtype
        See `Metric`.
    """

    counted = ("true_positives",)


@registered(KIND)
class FalsePositives(_Count):
    """The number of negative labels whose predictions are above a threshold; see `TruePositives`."""

    counted = ("false_positives",)


@registered(KIND)
class TrueNegatives(_Count):
    """The number of negative labels whose predictions are not above a threshold; see `TruePositives`."""

    counted = ("true_negatives",)


@registered(KIND)
class FalseNegatives(_Count):
    """The number of positive labels whose predictions are not above a threshold; see `TruePositives`."""

    counted = ("false_negatives",)


class _PartOfPositives(ConfusionMetric):
    """True positives by them and another count."""

    direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        values = [0.5 if top_k is None else BELOW_ALL]
        if thresholds is not None:
            values = thresholds_in_range(thresholds, type(self).__name__)
        super().__init__(values, top_k, class_id, name, dtype)
        self.init_thresholds = thresholds
        self._add_counts()

    def result(self) -> Tensor:
        """The quotient, or one for each threshold; 0 where there is nothing to divide by."""
        hits, others = (getattr(self, name).value for name in self.counted)
        return self._result(quotient(hits, hits + others))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


@registered(KIND)
class Precision(_PartOfPositives):
    """How many of the predictions above a threshold have a positive label.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1]; 0.5 where absent, and with `top_k` none. Several give as many results.
    top_k : int, optional
        Of the last axis of predictions only the so many largest can be positive.
    class_id : int, optional
        The only entry of the last axis that counts.
    name, dtype
        See `Metric`.
    """

    counted = ("true_positives", "false_positives")


@registered(KIND)
class Recall(_PartOfPositives):
    """How many of the positive labels have a prediction above a threshold; parameters as of `Precision`."""

    counted = ("true_positives", "false_negatives")
