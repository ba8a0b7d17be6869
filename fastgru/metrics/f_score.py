"""F-scores: harmonic means of precision and recall."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.autodiff import Tensor
from fastgru.kernels import EPSILON
from fastgru.metrics.metric import KIND, Metric
from fastgru.metrics.reductions import float_dtype
from fastgru.metrics.variable import as_result
from fastgru.metrics.weights import broadcast_weights, check_rows
from fastgru.registry import registered
from fastgru.types import Array

__all__ = ["F1Score", "FBetaScore"]


def _float(value: Any, where: str, name: str, expected: str) -> None:
    if not isinstance(value, float):
        raise ValueError(
            f"{where}: {name} must be {expected}, got {value!r}. Invalid `{name}` argument value. It should be a "
            f"Python float. Received: {name}={value} of type '{type(value)}'"
        )


@registered(KIND)
class FBetaScore(Metric):
    """``(1 + beta ** 2) precision recall / (beta ** 2 precision + recall)``.

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}
        None gives a score for each class, "macro" their mean, "weighted" that weighted by how often labels are of the
        class, and "micro" the score of the counts of all classes together.
    beta : float
        Above 0: how much more recall counts than precision.
    threshold : float, optional
        In (0, 1]: predictions above it are of the class. Where absent the largest prediction is, unless it is 0.
    name, dtype
        See `Metric`.
    """

    direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        where = type(self).__name__
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                f"{where}: average must be one of None, micro, macro, weighted, got {average!r}. Invalid `average` "
                f"argument value. Expected one of: {{None, 'micro', 'macro', 'weighted'}}. Received: average={average}"
            )
        self.average = average
        # as in Keras, a float and not an integer
        _float(beta, where, "beta", "a float above 0")
        if not beta > 0:
            raise ValueError(
                f"{where}: beta must be a float above 0, got {beta}. Invalid `beta` argument value. It should be > 0. "
                f"Received: beta={beta}"
            )
        if threshold is not None:
            _float(threshold, where, "threshold", "None or a float in (0, 1]")
            if not 0 < threshold <= 1:
                raise ValueError(
                    f"{where}: threshold must be None or a float in (0, 1], got {threshold}. Invalid `threshold` "
                    f"argument value. It should verify 0 < threshold <= 1. Received: threshold={threshold}"
                )
        super().__init__(dtype, name)
        self.beta = beta
        self.threshold = threshold
        self._axis = None if average == "micro" else 0
        self._built = False

    def _build(self, y_true_shape: tuple[int, ...], y_pred_shape: tuple[int, ...]) -> None:
        check_rows(y_true_shape, y_pred_shape, f"Metric {self.name!r}")
        if y_pred_shape[-1] is None:
            raise ValueError(f"Metric {self.name!r}: expected a known number of classes, got {y_pred_shape}.")
        classes = () if self.average == "micro" else y_pred_shape[-1:]
        self.true_positives = self.add_variable(classes, dtype="float64", name="true_positives")
        self.false_positives = self.add_variable(classes, dtype="float64", name="false_positives")
        self.false_negatives = self.add_variable(classes, dtype="float64", name="false_negatives")
        self.intermediate_weights = self.add_variable(classes, dtype="float64", name="intermediate_weights")
        self._built = True

    def update_state(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        """Take a batch into account: labels and predictions (samples, classes), perhaps a weight for each sample."""
        targets, predictions = np.asarray(y_true, "float64"), np.asarray(y_pred)
        where = f"Metric {self.name!r}"
        check_rows(targets.shape, predictions.shape, where)
        weights = None if sample_weight is None else broadcast_weights(sample_weight, targets.shape, where)
        if not self._built:
            self._build(targets.shape, predictions.shape)
        if self.threshold is None:
            # without the second, [0, 0, 0] would be of every class
            positive = (predictions == predictions.max(axis=-1, keepdims=True)) & (np.abs(predictions) > 1e-9)
        else:
            positive = predictions > self.threshold

        def total(values: Array) -> Array:
            return np.sum(values if weights is None else values * weights, axis=self._axis)

        self.true_positives.assign_add(total(positive * targets))
        self.false_positives.assign_add(total(positive * (1 - targets)))
        self.false_negatives.assign_add(total(~positive * targets))
        self.intermediate_weights.assign_add(total(targets))

    def result(self) -> Tensor:
        """The score, or one for each class."""
        if not self._built:
            raise ValueError(f"Metric {self.name!r}: has no result before the first update_state.")
        hits, squared = self.true_positives.value, self.beta**2
        precision = hits / (hits + self.false_positives.value + EPSILON)
        recall = hits / (hits + self.false_negatives.value + EPSILON)
        score = (1 + squared) * precision * recall / (squared * precision + recall + EPSILON)
        if self.average == "weighted":
            support = self.intermediate_weights.value
            score = (score * support).sum() / (support.sum() + EPSILON)
        elif self.average is not None:
            score = score.mean()
        return as_result(score, float_dtype(self.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "average": self.average, "beta": self.beta, "threshold": self.threshold}


@registered(KIND)
class F1Score(FBetaScore):
    """The harmonic mean of precision and recall: `FBetaScore` with beta 1."""

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config
