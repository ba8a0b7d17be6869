"""Forecasts: from a window of the past to the next steps of a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastgru.tables import baselines, features, network, scaling, split, windows
from fastgru.tables.calendar import periods
from fastgru.tables.forecast_outcome import ForecastOutcome, Origins
from fastgru.tables.network import Networks, Size
from fastgru.tables.plan import Feature, Plan
from fastgru.tables.samples import Answers, Predict, Samples, check_parts
from fastgru.tables.series import Series, arranged
from fastgru.tables.table import Table, listed
from fastgru.tables.times import shown
from fastgru.tables.windows import Windows
from fastgru.types import Array


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
        self.series, self.is_split = arranged(table, plan), shares is not None
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
        assert self.series.step is not None and self.plan.window is not None
        seasons = baselines.seasons(self.series.step, self.plan.window)
        # the season is chosen before the test, as the model is
        chosen_by = self.parts[split.VALIDATION].y.starts - self.plan.window if self.is_split else self.first
        seasons = self._origins(chosen_by).best_season(seasons)
        return self._origins(self.first).outcome(lambda first: predict(self.inputs(first)), seasons)

    def _origins(self, first: Array) -> Origins:
        times = self.series.times
        assert times is not None and self.plan.window is not None
        return Origins(
            self.numbers[:, 0],
            times,
            first[np.argsort(times[first], kind="stable")],
            self.plan.window,
            self.plan.horizon,
            self.series.group,
            self.plan.groups,
        )


def next_steps(table: Table, plan: Plan, predict: Predict) -> Answers:
    """The forecast behind the last row of each series."""
    assert plan.window is not None
    series = arranged(table, plan)
    numbers, usable = _numbers(series, plan)
    last = np.flatnonzero(np.append(series.group[1:] != series.group[:-1], True))
    first = last - plan.window + 1
    whole = np.isin(first, windows.starts(series.follows, usable, np.zeros(len(series), np.int64), plan.window))
    rows = f"the last {plan.window:,} rows, which the model looks at, are not there without a gap"
    if not whole.any():
        raise ValueError(f"{table.file}: {rows}; give more rows, or --gaps fill.")
    if not whole.all():
        names = [plan.groups[series.group[row]] for row in last[~whole]]
        series.notes.append(f"no forecast for {plan.group} {listed(names)}: {rows}")
    first, last = first[whole], last[whole]
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
    others = None if columns is None else [name for name in columns if name != plan.target]
    read = (*features.fitted(series, plan, [plan.target], training), *features.fitted(series, plan, others, training))
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
