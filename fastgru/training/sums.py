"""The running values of losses and metrics as one row of numbers, which processes that share batches add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import losses
from fastgru.layers.share import Share
from fastgru.metrics import Metric
from fastgru.metrics.reductions import MeanMetricWrapper
from fastgru.metrics.variable import Variable
from fastgru.types import Array

__all__ = ["RunningSums", "update_shared", "update_state"]

_OF_BATCHES = ("dice", "tversky", "circle")  # functions whose value for a row depends on the others


class RunningSums:
    """What a batch adds to: the sums of the losses, and the variables of those metrics that are sums over rows.

    Parameters
    ----------
    objective : Objective

    Attributes
    ----------
    metrics : list of Metric
        Those. To the others every process shows the whole batch.
    """

    def __init__(self, objective: Any) -> None:
        self._objective = objective
        self.metrics: list[Metric] = list(filter(_is_sum, objective.metrics))
        self._variables: Sequence[Variable] = [one for metric in self.metrics for one in metric.variables]
        self.size = len(objective.sums) - 1 + sum(variable.value.size for variable in self._variables)

    def taken(self) -> Array:
        """(size,) float64 ndarray: the numbers as they are."""
        return np.concatenate(
            [np.array(self._objective.sums[1:]), *[variable.value.reshape(-1) for variable in self._variables]]
        )

    def put(self, numbers: Array) -> None:
        """Put numbers like `taken`'s in their place."""
        start = len(self._objective.sums) - 1
        self._objective.sums = (self._objective.count, *map(float, numbers[:start]))
        for variable in self._variables:
            stop = start + variable.value.size
            variable.assign(numbers[start:stop].reshape(variable.shape))
            start = stop


def update_state(metric: Metric, *parts: Any) -> None:
    """Take a batch in."""
    metric.update_state(*parts)


def update_shared(share: Share, summed: Sequence[Metric], metric: Metric, *parts: Any) -> None:
    """Take in the rows of this process where the metric's sums are added up, else those of all processes."""
    if not any(one is metric for one in summed):
        metric.update_state(*share.whole(parts))
    elif share.counts:
        metric.update_state(*parts)


def _is_sum(metric: Metric) -> bool:
    """Whether the variables of a metric are sums over rows: of one of the user's, or that makes them later, unknown."""
    if not type(metric).__module__.startswith("fastgru.") or not metric.variables:
        return False
    if type(metric) is not MeanMetricWrapper:
        return True
    name = getattr(metric._fn, "__name__", "")
    return name not in _OF_BATCHES and getattr(losses, name, None) is metric._fn
