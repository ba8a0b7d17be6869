"""Mean and deviation of what a model reads and predicts, taken of the training part alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastgru.tables.plan import Feature
from fastgru.types import Array


@dataclass(frozen=True)
class Scaling:
    """Statistics of each series, or of all rows where there is one.

    Attributes
    ----------
    mean, deviation : (G, F) ndarray
    """

    mean: Array
    deviation: Array

    def of(self, features: Sequence[int]) -> Scaling:
        """Those of some features."""
        return Scaling(self.mean[:, features], self.deviation[:, features])

    @property
    def variance(self) -> Array:
        return np.square(self.deviation)

    def scaled(self, values: Array, group: Array, feature: int = 0) -> Array:
        """float32 values of one feature, those of each series by its own statistics."""
        scaled = (values - self.mean[group, feature]) / self.deviation[group, feature]
        return scaled.astype(np.float32)


def measured(numbers: Array, group: Array, groups: int, is_scaled: Array) -> Scaling:
    """The statistics of rows.

    Parameters
    ----------
    numbers : (N, F) ndarray
        A number that is missing is left out.
    group : (N,) int ndarray
    groups : int
        How many series there are; one without rows has the statistics of all.
    is_scaled : (F,) bool ndarray
        Which features keep their numbers otherwise.
    """
    overall = _statistics(numbers)
    both = np.stack([overall] * max(groups, 1))  # (G, 2, F)
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(groups + 1))
    for index in range(groups):
        rows = order[edges[index] : edges[index + 1]]
        if len(rows) > 1:
            own = _statistics(numbers[rows])
            both[index] = np.where(np.isfinite(own), own, overall)
    mean, deviation = both[:, 0], both[:, 1]
    deviation = np.where(deviation > 1e-6 * np.abs(mean), deviation, 1.0)  # of a column that never changes
    return Scaling(np.where(is_scaled, mean, 0.0), np.where(is_scaled, deviation, 1.0))


def of_numbers(features: Sequence[Feature]) -> Array:
    """(F,) bool: which of the numbers that features become have statistics."""
    return np.array([feature.kind == "number" for feature in features for _ in feature.names], bool)


def _statistics(numbers: Array) -> Array:
    """(2, F): mean and deviation, NaN where there is no number."""
    present = ~np.isnan(numbers)
    count = present.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(present, numbers, 0).sum(axis=0, dtype=np.float64) / count
        square = np.where(present, numbers - mean, 0).astype(np.float64)
        return np.stack([mean, np.sqrt(np.square(square).sum(axis=0) / count)])
