"""Forecasts: from a window of the past to the next steps of a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastgru.tables import baselines, features, network, scaling, split, windows
from fastgru.tables.calendar import periods
from fastgru.tables.network import Networks, Size
from fastgru.tables.plan import Feature, Plan
from fastgru.tables.samples import Answers, Comparison, Outcome, Predict, Samples, check_parts
from fastgru.tables.series import Series, arranged
from fastgru.tables.table import Table
from fastgru.tables.times import shown
from fastgru.tables.windows import Windows
from fastgru.types import Array

BLOCKS = 12  # of origins, of which each has an error of its own
EXAMPLES = 4  # windows that a report draws
PREDICTED = 4096  # windows at a time


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
    examples : list of dict
        Of some windows: times, the past, the truth and the forecast.
    """

    by_step: dict[str, Array]
    by_origin: dict[str, Array]
    origins: list[str]
    examples: list[dict[str, Any]]


class Forecast:
    """Windows of series with what comes next.

    Parameters
    ----------
    table : Table
    plan : Plan
        Without features it is completed by what the file holds.
    columns : list of str, optional
        To be read beside the target; else all that are left.
    shares : (float, float, float), optional
        Of the parts; absent where all rows are for testing.
    stride : int
        Steps between the beginnings of two windows of the training part.
    """

    loss, metrics = "mae", ["mse"]

    parts: Sequence[Samples]

    def __init__(
        self,
        table: Table,
        plan: Plan,
        columns: Sequence[str] | None = None,
        shares: tuple[float, float, float] | None = None,
        stride: int = 1,
    ) -> None:
        self.series = arranged(table, plan)
        if self.series.step is None:
            raise ValueError(f"{table.file}: expected at least two times in a series, to know their step.")
        part = np.full(len(self.series), split.TEST)
        if shares is not None:
            part = split.in_time(self.series, shares)
            plan = _completed(plan, self.series, columns, part == split.TRAINING)
        self.plan, self.notes = plan, self.series.notes
        self.numbers, usable = _numbers(self.series, plan)
        assert plan.window is not None
        length = plan.window + plan.horizon
        first = windows.starts(self.series.follows, usable, part, length)
        chosen = [first[part[first] == number] for number in range(len(split.PARTS))]
        chosen[split.TRAINING] = chosen[split.TRAINING][::stride]
        self.first = chosen[split.TEST]
        if shares is None:
            if not len(self.first):
                raise ValueError(
                    f"{table.file}: has no stretch of {length:,} rows without a gap, which one window takes."
                )
            return
        training = part == split.TRAINING
        self.scaling = scaling.measured(
            self.numbers[training], self.series.group[training], len(plan.groups), scaling.of_numbers(plan.features)
        )
        self.parts = [self._samples(rows) for rows in chosen]
        check_parts(
            self.parts,
            table.file,
            f"stretch of {length:,} rows without a gap (--window {plan.window} and --horizon {plan.horizon})",
            f"the file has {len(self.series):,} rows; shorten --window, change --split, or fill gaps by --gaps fill",
        )

    def inputs(self, first: Array) -> Any:
        """What the model reads of windows that begin in these rows."""
        assert self.plan.window is not None
        window = Windows(self.numbers, first, self.plan.window)
        return [window, self.series.group[first][:, np.newaxis].astype(np.int32)] if self.plan.groups else window

    def _samples(self, first: Array) -> Samples:
        assert self.plan.window is not None
        target = self.scaling.scaled(self.numbers[:, 0], self.series.group)
        return Samples(self.inputs(first), Windows(target, first + self.plan.window, self.plan.horizon))

    def networks(self, size: Size) -> Networks:
        assert self.plan.window is not None
        shape = self.plan.window, self.numbers.shape[1]
        if self.plan.groups:
            return network.of_series(size, shape, self.scaling, self.plan.horizon)
        return network.of_numbers(size, shape, self.scaling, self.plan.horizon, self.scaling)

    # --- how good it is -------------------------------------------------------------------------------

    def outcome(self, predict: Predict) -> ForecastOutcome:
        window, horizon = self.plan.window, self.plan.horizon
        assert window is not None
        forecasts = predict(self.inputs(self.first))
        seasons = self._season(self.first if not hasattr(self, "parts") else None)
        names = ["model", baselines.LAST, *seasons]
        errors = {name: np.empty((len(self.first), horizon), np.float32) for name in names}
        squares = np.zeros(len(names))
        past = Windows(self.numbers[:, 0], self.first, window)
        future = Windows(self.numbers[:, 0], self.first + window, horizon)
        for begin in range(0, len(self.first), PREDICTED):
            rows = slice(begin, begin + PREDICTED)
            truth, known = future[rows], past[rows]
            answers = [forecasts[rows], baselines.last_value(known, horizon)]
            answers += [baselines.seasonal(known, horizon, season) for season in seasons.values()]
            for index, (name, answer) in enumerate(zip(names, answers, strict=True)):
                errors[name][rows] = np.abs(answer - truth)
                squares[index] += np.square(answer - truth, dtype=np.float64).sum()
        means = {name: float(error.mean(dtype=np.float64)) for name, error in errors.items()}
        roots = dict(zip(names, np.sqrt(squares / errors["model"].size).tolist(), strict=True))
        blocks = np.array_split(self._in_time(), min(BLOCKS, len(self.first)))
        return ForecastOutcome(
            [Comparison("mean absolute error", means.pop("model"), means),
             Comparison("root mean squared error", roots.pop("model"), roots)],
            len(self.first),
            by_step={name: error.mean(axis=0) for name, error in errors.items()},
            by_origin={name: np.array([error[block].mean() for block in blocks]) for name, error in errors.items()},
            origins=shown(self._times(self.first[[block[0] for block in blocks]] + window)),
            examples=[self._example(index, forecasts[index]) for index in self._example_rows()],
        )  # fmt: skip

    def _season(self, first: Array | None) -> dict[str, int]:
        """The season whose naive forecast was best before the test, by its name; none where none fits."""
        window, horizon = self.plan.window, self.plan.horizon
        assert window is not None and self.series.step is not None
        rows = self.parts[split.VALIDATION].y.starts - window if first is None else first
        rows = rows[:: max(1, len(rows) // PREDICTED)]
        past, truth = (
            Windows(self.numbers[:, 0], rows, window)[:],
            Windows(self.numbers[:, 0], rows + window, horizon)[:],
        )
        errors = {
            (name, season): np.abs(baselines.seasonal(past, horizon, season) - truth).mean()
            for name, season in baselines.seasons(self.series.step, window).items()
        }
        return dict([min(errors, key=errors.__getitem__)]) if errors else {}

    def _times(self, rows: Array) -> Array:
        assert self.series.times is not None
        return self.series.times[rows]

    def _in_time(self) -> Array:
        return np.argsort(self._times(self.first), kind="stable")

    def _example_rows(self) -> list[int]:
        ordered = self._in_time()
        places = np.linspace(0, len(ordered) - 1, min(EXAMPLES, len(ordered))).astype(int)
        return [int(ordered[place]) for place in places]

    def _example(self, index: int, forecast: Array) -> dict[str, Any]:
        window, horizon = self.plan.window, self.plan.horizon
        assert window is not None
        origin = int(self.first[index]) + window
        rows = np.arange(origin - min(window, 2 * horizon), origin + horizon)
        values = self.numbers[rows, 0].astype(np.float64)
        predicted = np.full(len(rows), np.nan)
        predicted[-horizon:] = forecast
        name = f"{self.plan.groups[self.series.group[origin]]}, " if self.plan.groups else ""
        times = shown(self._times(rows))
        return {"title": f"{name}from {times[-horizon]}", "times": times, "truth": values, "forecast": predicted}


def next_steps(table: Table, plan: Plan, predict: Predict) -> Answers:
    """The forecast behind the last row of each series."""
    assert plan.window is not None
    series = arranged(table, plan)
    numbers, usable = _numbers(series, plan)
    last = np.flatnonzero(np.append(series.group[1:] != series.group[:-1], True))
    first = last - plan.window + 1
    whole = np.isin(first, windows.starts(series.follows, usable, np.zeros(len(series), np.int64), plan.window))
    if not whole.all():
        bad = int(np.flatnonzero(~whole)[0])
        name = f" of series {plan.groups[series.group[last[bad]]]!r}" if plan.groups else ""
        raise ValueError(
            f"{table.file}: the last {plan.window:,} rows{name}, which the model looks at, are not there without a "
            "gap; give more rows, or --gaps fill."
        )
    x: Any = Windows(numbers, first, plan.window)[:]
    forecasts = predict([x, series.group[last][:, np.newaxis].astype(np.int32)] if plan.groups else x)
    assert series.times is not None and series.step is not None
    ahead = np.arange(1, plan.horizon + 1)
    columns: dict[str, Any] = {}
    if plan.group is not None:
        columns[plan.group] = [plan.groups[series.group[row]] for row in last for _ in ahead]
    assert plan.time is not None
    columns[plan.time] = shown(np.concatenate([series.step.after(series.times[row], ahead) for row in last]))
    columns[plan.target] = forecasts.ravel()
    return Answers(columns, forecasts, series.notes)


def _completed(plan: Plan, series: Series, columns: Sequence[str] | None, training: Array) -> Plan:
    """The plan with what the training part says."""
    target = series.table.require(plan.target, "--target")
    if target.dtype.kind != "f":
        raise ValueError(
            f"{series.table.file}, column {plan.target!r}: expected numbers to forecast, got text or times."
        )
    assert series.step is not None
    if columns is None:
        used = {plan.target, plan.time, plan.group}
        columns = [name for name in series.table.names if name not in used]
    read = features.fitted(series, [plan.target, *(name for name in columns if name != plan.target)], training)
    assert series.times is not None
    read += tuple(Feature(period, "calendar") for period in periods(series.step, series.times[training]))
    return replace(plan, features=read, groups=tuple(series.groups), step=(series.step.size, series.step.unit))


def _numbers(series: Series, plan: Plan) -> tuple[Array, Array]:
    """What the model reads in each row, and whether nothing is missing there."""
    numbers = features.matrix(series, plan.features, False)
    features.note_missing(series, plan, numbers)
    if plan.gaps == "fill":
        numbers = features.matrix(series, plan.features, True)
    return numbers, np.asarray(~np.isnan(numbers).any(axis=1))
