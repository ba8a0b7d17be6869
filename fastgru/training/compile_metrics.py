"""What `Model.metrics` lists: as in Keras 3 the mean of the loss, then all metrics of `compile` as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastgru import tree
from fastgru.metrics import Metric

__all__ = ["CompileMetrics", "LossMean"]


class LossMean(Metric):
    """The mean of a loss over the samples since the last reset.

    Parameters
    ----------
    name : str
    result, reset, update : callable
        Of what keeps the sums; `update` takes a loss and its weight.
    """

    def __init__(
        self,
        name: str,
        result: Callable[[], float],
        reset: Callable[[], None],
        update: Callable[[float, float], None],
    ) -> None:
        super().__init__(name=name)
        self._result, self._reset, self._update = result, reset, update

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take a loss in, or several with their weights."""
        losses = np.asarray(values, "float64").ravel()
        weights = np.broadcast_to(1.0 if sample_weight is None else np.asarray(sample_weight).ravel(), losses.shape)
        for loss, weight in zip(losses.tolist(), weights.tolist(), strict=True):
            self._update(loss, weight)

    def result(self) -> Any:
        return self._result()

    def reset_state(self) -> None:
        self._reset()


class CompileMetrics(Metric):
    """The metrics of `compile`.

    Attributes
    ----------
    metrics : list of Metric
        Known once the model has seen data.
    """

    def __init__(
        self,
        metrics: Callable[[], Sequence[Metric]],
        results: Callable[[], dict[str, Any]],
        update: Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], None],
    ) -> None:
        super().__init__(name="compile_metrics")
        self._listed, self._results, self._update = metrics, results, update

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take targets and predictions in, of several outputs as lists or dicts."""
        predictions, targets = ([*map(np.asarray, tree.flatten(one))] for one in (y_pred, y_true))
        weights = tree.flatten(sample_weight)
        self._update(predictions, targets, weights if len(weights) == len(predictions) else weights * len(predictions))

    @property
    def metrics(self) -> list[Metric]:
        return list(self._listed())

    @property
    def variables(self) -> list[Any]:
        return [variable for metric in self.metrics for variable in metric.variables]

    def result(self) -> dict[str, Any]:
        """The value of each metric under its name in the logs."""
        return self._results()

    def reset_state(self) -> None:
        for metric in self.metrics:
            metric.reset_state()
