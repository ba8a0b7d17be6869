"""The best of one rate at the thresholds where another is good enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.autodiff import Tensor
from fastgru.metrics.confusion import ConfusionMetric
from fastgru.metrics.counts import even_thresholds, quotient
from fastgru.metrics.metric import KIND
from fastgru.metrics.reductions import float_dtype
from fastgru.metrics.variable import as_result
from fastgru.registry import registered
from fastgru.types import Array

__all__ = ["PrecisionAtRecall", "RecallAtPrecision", "SensitivityAtSpecificity", "SpecificityAtSensitivity"]


class _BestRate(ConfusionMetric):
    """Base: the argument's name is `least_name`, its value `value`."""

    direction = "up"
    least_name: str

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        where = type(self).__name__
        if not checks.is_not_negative(value) or value > 1:
            raise ValueError(
                f"{where}: {self.least_name} must lie in [0, 1], got {value!r}. Argument `{self.least_name}` must be "
                "in the range [0, 1]."
            )
        if checks.integer(num_thresholds, where, "num_thresholds") <= 0:
            raise ValueError(
                f"{where}: num_thresholds must be a positive integer, got {num_thresholds!r}. Argument "
                "`num_thresholds` must be an integer > 0."
            )
        self.value = value
        self.num_thresholds = int(num_thresholds)
        thresholds = [0.5] if self.num_thresholds == 1 else even_thresholds(self.num_thresholds)
        super().__init__(thresholds, None, class_id, name, dtype)
        self._add_counts()

    def _sensitivity(self) -> Array:
        hits = self.true_positives.value
        return quotient(hits, hits + self.false_negatives.value)

    def _specificity(self) -> Array:
        hits = self.true_negatives.value
        return quotient(hits, hits + self.false_positives.value)

    def _precision(self) -> Array:
        hits = self.true_positives.value
        return quotient(hits, hits + self.false_positives.value)

    def _rates(self) -> tuple[Array, Array]:
        """The rate that has to be good enough, and that which is to be as high as possible."""
        raise NotImplementedError

    def result(self) -> Tensor:
        """The best rate; 0 where the other is good enough at no threshold."""
        other, rate = self._rates()
        return as_result(np.max(rate, where=other >= self.value, initial=0.0), float_dtype(self.dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_id": self.class_id,
            "num_thresholds": self.num_thresholds,
            self.least_name: self.value,
        }


@registered(KIND)
class SensitivityAtSpecificity(_BestRate):
    """The best ``tp / (tp + fn)`` at the thresholds where ``tn / (tn + fp)`` is at least `specificity`.

    Parameters
    ----------
    specificity : float
        From 0 to 1.
    num_thresholds : int
        How many thresholds are tried, at equal distances from 0 to 1.
    class_id : int, optional
        The only entry of the predictions' last axis that counts.
    name, dtype
        See `Metric`.
    """

    least_name = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity

    def _rates(self) -> tuple[Array, Array]:
        return self._specificity(), self._sensitivity()


@registered(KIND)
class SpecificityAtSensitivity(_BestRate):
    """The best ``tn / (tn + fp)`` at the thresholds where ``tp / (tp + fn)`` is at least `sensitivity`.

    The other parameters are those of `SensitivityAtSpecificity`.
    """

    least_name = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity

    def _rates(self) -> tuple[Array, Array]:
        return self._sensitivity(), self._specificity()


@registered(KIND)
class PrecisionAtRecall(_BestRate):
    """The best ``tp / (tp + fp)`` at the thresholds where ``tp / (tp + fn)`` is at least `recall`.

    The other parameters are those of `SensitivityAtSpecificity`.
    """

    least_name = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)
        self.recall = recall

    def _rates(self) -> tuple[Array, Array]:
        return self._sensitivity(), self._precision()


@registered(KIND)
class RecallAtPrecision(_BestRate):
    """The best ``tp / (tp + fn)`` at the thresholds where ``tp / (tp + fp)`` is at least `precision`.

    The other parameters are those of `SensitivityAtSpecificity`.
    """

    least_name = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)
        self.precision = precision

    def _rates(self) -> tuple[Array, Array]:
        return self._precision(), self._sensitivity()
