"""How good forecasts are, beside those that need no model: by step ahead, and by when they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgru.tables import baselines
from fastgru.tables.samples import Comparison, Outcome
from fastgru.tables.times import shown
from fastgru.tables.windows import Windows
from fastgru.types import Array

BLOCKS = 12  # of origins, of which each has an error of its own
EXAMPLES = 4  # windows that a report draws
AT_A_TIME = 4096  # windows, of which numbers are held


@dataclass
class ForecastOutcome(Outcome):
    """How good forecasts are.

    Attributes
    ----------
    by_step : dict of str to (H,) ndarray
        Mean absolute error of each step ahead, of the model and each baseline.
    by_origin : dict of str to (blocks,) ndarray
        The same of forecasts that began in one stretch of time.
    origins : list of str
        When each stretch begins.
    by_series : dict of str to (G,) ndarray
        The same of each series that has forecasts; of no length where there is only one.
    series : list of str
        Their names.
    examples : list of dict
        Of some windows: times, the past, the truth and the forecast.
    """

    by_step: dict[str, Array]
    by_origin: dict[str, Array]
    origins: list[str]
    by_series: dict[str, Array]
    series: list[str]
    examples: list[dict[str, Any]]


@dataclass(frozen=True)
class Origins:
    """Windows of series, in the order of time, whose future is known.

    Attributes
    ----------
    values : (N,) ndarray
        Of the target.
    times : (N,) datetime64 ndarray
    first : (W,) int ndarray
        The first row of each window.
    window, horizon : int
    group : (N,) int ndarray
        Which series a row is of.
    names : sequence of str
        Of the series; none where there is only one.
    """

    values: Array
    times: Array
    first: Array
    window: int
    horizon: int
    group: Array
    names: Sequence[str]

    def past(self, windows: slice) -> Array:
        return Windows(self.values, self.first[windows], self.window)[:]

    def future(self, windows: slice) -> Array:
        return Windows(self.values, self.first[windows] + self.window, self.horizon)[:]

    def best_season(self, seasons: Mapping[str, int]) -> dict[str, int]:
        """The one whose naive forecast is best here; none where there is none."""
        some = slice(0, len(self.first), max(1, len(self.first) // AT_A_TIME))
        past, future = self.past(some), self.future(some)
        errors = {
            name: np.abs(baselines.seasonal(past, self.horizon, season) - future).mean()
            for name, season in seasons.items()
        }
        best = min(errors, key=errors.__getitem__, default=None)
        return {} if best is None else {best: seasons[best]}

    def outcome(self, forecast: Callable[[Array], Array], seasons: Mapping[str, int]) -> ForecastOutcome:
        """How good forecasts are.

        Parameters
        ----------
        forecast : callable
            From the first rows of windows to what the model says of them.
        seasons : dict of str to int
            Of the naive forecasts to compare with.
        """
        names = ["model", baselines.LAST, *seasons]
        by_step, squares = np.zeros((len(names), self.horizon)), np.zeros(len(names))
        by_window = np.empty((len(names), len(self.first)), np.float32)
        for begin in range(0, len(self.first), AT_A_TIME):
            windows = slice(begin, begin + AT_A_TIME)
            past, future = self.past(windows), self.future(windows)
            answers = [forecast(self.first[windows]), baselines.last_value(past, self.horizon)]
            answers += [baselines.seasonal(past, self.horizon, season) for season in seasons.values()]
            for index, answer in enumerate(answers):
                errors = np.abs(answer - future)
                by_step[index] += errors.sum(axis=0, dtype=np.float64)
                by_window[index, windows] = errors.mean(axis=1)
                squares[index] += np.square(errors, dtype=np.float64).sum()
        count = len(self.first)
        by_step /= count
        means = dict(zip(names, by_step.mean(axis=1).tolist(), strict=True))
        roots = dict(zip(names, np.sqrt(squares / (count * self.horizon)).tolist(), strict=True))
        blocks = np.array_split(np.arange(count), min(BLOCKS, count))
        series = self.group[self.first]
        present = np.unique(series) if self.names else np.empty(0, np.int64)
        return ForecastOutcome(
            [
                Comparison("mean absolute error", means.pop("model"), means),
                Comparison("root mean squared error", roots.pop("model"), roots),
            ],
            count,
            by_step=dict(zip(names, by_step, strict=True)),
            by_origin={
                name: np.array([errors[block].mean() for block in blocks])
                for name, errors in zip(names, by_window, strict=True)
            },
            by_series={
                name: np.array([errors[series == one].mean() for one in present])
                for name, errors in zip(names, by_window, strict=True)
            },
            series=[self.names[one] for one in present],
            origins=shown(self.times[self.first[[block[0] for block in blocks]] + self.window]),
            examples=self._examples(forecast),
        )

    def _examples(self, forecast: Callable[[Array], Array]) -> list[dict[str, Any]]:
        places = np.linspace(0, len(self.first) - 1, min(EXAMPLES, len(self.first))).astype(int)
        examples = []
        for first, answer in zip(self.first[places], forecast(self.first[places]), strict=True):
            origin = int(first) + self.window
            rows = np.arange(origin - min(self.window, 2 * self.horizon), origin + self.horizon)
            predicted = np.full(len(rows), np.nan)
            predicted[-self.horizon :] = answer
            times, truth = shown(self.times[rows]), self.values[rows].astype(np.float64)
            name = f"{self.names[self.group[origin]]}, " if self.names else ""
            title = f"{name}from {times[-self.horizon]}"
            examples.append({"title": title, "times": times, "truth": truth, "forecast": predicted})
        return examples
