"""True and false positives and negatives at several thresholds at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgru import checks
from fastgru.kernels import EPSILON
from fastgru.types import Array

__all__ = ["BELOW_ALL", "Counts", "Thresholds", "even_thresholds", "only_top_k", "quotient", "thresholds_in_range"]

BELOW_ALL = -1e10  # a prediction, and a threshold, that Keras takes for minus infinity


class Counts(NamedTuple):
    """Sums of weights for each threshold, (thresholds,) or (thresholds, labels), float64."""

    true_positives: Array
    false_positives: Array
    true_negatives: Array
    false_negatives: Array


def thresholds_in_range(thresholds: Any, where: str) -> list[float]:
    """One threshold or several as a list; a ValueError where one is not from 0 to 1."""
    values = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    bad = [value for value in values if not checks.is_not_negative(value) or value > 1]
    if bad or not values:
        raise ValueError(
            f"{where}: thresholds must be numbers in [0, 1], got {bad}. Threshold values must be in [0, 1]. "
            f"Received: {bad}"
        )
    return [float(value) for value in values]


def even_thresholds(count: int) -> list[float]:
    """As many thresholds at equal distances from 0 to 1."""
    return [index / (count - 1) for index in range(count)]


class Thresholds:
    """Thresholds that predictions are compared with in float32, as in Keras: above one means positive.

    Each prediction goes into the bucket of how many thresholds it exceeds; what is positive at a threshold is then the
    sum of the buckets beyond. That takes one pass over the predictions however many thresholds there are.

    Parameters
    ----------
    values : sequence of float
        In any order.
    around : bool
        The first lies just below 0 and the last just above 1, and not on them.
    """

    def __init__(self, values: Sequence[float], around: bool = False) -> None:
        self._around = around
        self._order = np.argsort(values, kind="stable")
        self._sorted = np.asarray(values, "float32")[self._order]
        steps = np.arange(len(values)) / max(1, len(values) - 1)
        self._even = (len(values) > 2 or around) and np.allclose(values, steps, atol=2 * EPSILON)

    def __len__(self) -> int:
        return len(self._sorted)

    def counts(self, y_true: Array, y_pred: Array, weights: Array | None, by_label: bool = False) -> Counts:
        """Counts of labels, which are positive unless 0, and predictions of one shape.

        Parameters
        ----------
        weights : ndarray, optional
            Of the same shape.
        by_label : bool
            For each entry of the last axis of two, else for all numbers together.
        """
        buckets, labels, size = self._buckets(y_pred), 1, len(self) + 1
        if by_label:
            labels = y_pred.shape[1]
            buckets = buckets + np.arange(labels) * size
        # the false labels' buckets first, then the true ones'
        cells = (buckets + (y_true != 0) * (labels * size)).ravel()
        sums = np.bincount(cells, None if weights is None else weights.ravel(), 2 * labels * size)
        negative, positive = sums.astype("float64").reshape(2, labels, size)
        (false_positives, true_negatives), (true_positives, false_negatives) = map(self._split, (negative, positive))
        counts = (true_positives, false_positives, true_negatives, false_negatives)
        return Counts(*(count.T if by_label else count[0] for count in counts))

    def _buckets(self, y_pred: Array) -> Array:
        """How many thresholds each prediction exceeds; none for NaN."""
        predictions = np.where(np.isnan(y_pred), -np.inf, y_pred).astype("float32")
        if not self._even:
            return np.searchsorted(self._sorted, predictions, side="left")
        # Keras's arithmetic, to whose rounding a prediction belongs that is a threshold
        steps = np.float32(len(self) - 1)
        buckets = np.ceil(np.clip(predictions, 0, 1) * steps).astype("int64")
        return np.maximum(buckets, 1) if self._around else buckets

    def _split(self, sums: Array) -> tuple[Array, Array]:
        """Of sums of buckets, (labels, buckets), those above and not above each threshold."""
        split = np.empty((2, len(sums), len(self)))
        # each from its own end, so that what is empty is exactly 0
        split[0][:, self._order] = sums[:, :0:-1].cumsum(axis=1)[:, ::-1]
        split[1][:, self._order] = sums[:, :-1].cumsum(axis=1)
        return split[0], split[1]


def only_top_k(predictions: Array, k: int) -> Array:
    """Predictions of which along the last axis all but the `k` largest are below every threshold."""
    largest = np.argsort(-predictions, axis=-1, kind="stable")[..., :k]
    chosen = np.full(predictions.shape, BELOW_ALL, predictions.dtype)
    np.put_along_axis(chosen, largest, np.take_along_axis(predictions, largest, axis=-1), axis=-1)
    return chosen


def quotient(numerator: Array, denominator: Array) -> Array:
    """The quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros(np.shape(denominator)), where=denominator != 0)
