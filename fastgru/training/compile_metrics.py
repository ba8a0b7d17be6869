"""What `Model.metrics` lists: as in Keras 3 the mean of the loss, then all metrics of `compile` as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastgru.metrics import Metric

__all__ = ["CompileMetrics", "LossMean"]


class LossMean(Metric):
    """The mean of a loss over the samples since the last reset.

    Parameters
    ----------
    name : str
    result, reset : callable
        Of what keeps the sums.
    """

    def __init__(self, name: str, result: Callable[[], float], reset: Callable[[], None]) -> None:
        super().__init__(name=name)
        self._result, self._reset = result, reset

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

    def __init__(self, metrics: Callable[[], Sequence[Metric]], results: Callable[[], dict[str, Any]]) -> None:
        super().__init__(name="compile_metrics")
        self._listed, self._results = metrics, results

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
