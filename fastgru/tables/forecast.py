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
from fastgru.tables.table import Table, is_missing, listed
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
        if plan.known:  # whose rows ahead are filled as gaps are, and have no truth to learn
            usable &= _until_last(~is_missing(self.series.table.columns[plan.target]), self.series.group)
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
        return _inputs(self.numbers, self.series, self.plan, first)

    def _samples(self, first: Array) -> Samples:
        assert self.plan.window is not None
        target = self.scaling.scaled(self.numbers[:, 0], self.series.group)
        return Samples(self.inputs(first), Windows(target, first + self.plan.window, self.plan.horizon))

    def networks(self, size: Size) -> Networks:
        assert self.plan.window is not None
        shape = self.plan.window, self.numbers.shape[1]
        if self.plan.groups:
            return network.of_series(size, shape, self.scaling, self.plan.horizon, self.plan.ahead)
        return network.of_numbers(size, shape, self.scaling, self.plan.horizon, self.scaling, ahead=self.plan.ahead)

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
    """The forecast behind the last row of each series; with known columns, behind the last that has a target."""
    assert plan.window is not None
    series = arranged(table, plan)
    is_past = np.ones(len(series), bool)
    if plan.known:
        target = series.table.require(plan.target, "the model")
        is_past = _until_last(~is_missing(target), series.group)
    numbers, usable = _numbers(series, plan, is_past)
    last = np.flatnonzero(is_past & np.append((series.group[1:] != series.group[:-1]) | ~is_past[1:], True))
    first = last - plan.window + 1
    anywhere = np.zeros(len(series), np.int64)
    usable &= is_past
    whole = np.isin(first, windows.starts(series.follows, usable, anywhere, plan.window))
    rows = f"the last {plan.window:,} rows, which the model looks at, are not there without a gap"
    if plan.known:
        known = np.asarray(~np.isnan(numbers[:, plan.ahead]).any(axis=1))
        whole &= np.isin(last + 1, windows.starts(series.follows, known, anywhere, plan.horizon))
        whole &= series.follows[np.minimum(last + 1, len(series) - 1)]
        rows += (
            f", or the next {plan.horizon:,} are not, in which {plan.target!r} is empty and {listed(plan.known)} "
            f"{'is' if len(plan.known) == 1 else 'are'} known"
        )
    if not whole.any():
        raise ValueError(f"{table.file}: {rows}; give more rows, or --gaps fill.")
    if not whole.all():
        names = [plan.groups[series.group[row]] for row in last[~whole]]
        series.notes.append(f"no forecast for {plan.group} {listed(names)}: {rows}")
    first, last = first[whole], last[whole]
    x = _inputs(numbers, series, plan, first)
    forecasts = predict([part[:] for part in x] if isinstance(x, list) else x[:])
    assert series.times is not None and series.step is not None
    ahead = np.arange(1, plan.horizon + 1)
    columns: dict[str, Any] = {}
    if plan.group is not None:
        columns[plan.group] = [plan.groups[series.group[row]] for row in last for _ in ahead]
    assert plan.time is not None
    columns[plan.time] = shown(np.concatenate([series.step.after(series.times[row], ahead) for row in last]))
    columns[plan.target] = forecasts.ravel()
    return Answers(columns, forecasts, series.notes)


def _inputs(numbers: Array, series: Series, plan: Plan, first: Array) -> Any:
    """What the model reads of windows that begin in these rows: the window, its series, and what is known ahead."""
    assert plan.window is not None
    x: list[Any] = [Windows(numbers, first, plan.window)]
    if plan.groups:
        x.append(series.group[first][:, np.newaxis].astype(np.int32))
    if plan.known:
        x.append(Windows(np.ascontiguousarray(numbers[:, plan.ahead]), first + plan.window, plan.horizon))
    return x if len(x) > 1 else x[0]


def _until_last(is_there: Array, group: Array) -> Array:
    """(N,) bool ndarray: the rows of each series up to the last of those that are there."""
    rows = np.arange(len(group))
    last = np.full(int(group.max()) + 1, -1)
    last[group[is_there]] = rows[is_there]  # the last assignment stays
    return np.asarray(rows <= last[group])


def _completed(plan: Plan, series: Series, columns: Sequence[str] | None, training: Array) -> Plan:
    """The plan with what the training part says."""
    target = series.table.require(plan.target, "--target")
    if target.dtype.kind != "f":
        raise ValueError(
            f"{series.table.file}, column {plan.target!r}: expected numbers to forecast, got text or times."
        )
    assert series.step is not None
    if plan.target in plan.known or plan.time in plan.known:
        raise ValueError("--known: expected columns beside the target and the time, whose values ahead are known.")
    first = [plan.target, *plan.known]
    others = None if columns is None else [name for name in columns if name not in first]
    read = (*features.fitted(series, plan, first, training), *features.fitted(series, plan, others, training))
    assert series.times is not None
    read += tuple(Feature(period, "calendar") for period in periods(series.step, series.times[training]))
    return replace(plan, features=read, groups=tuple(series.groups), step=(series.step.size, series.step.unit))


def _numbers(series: Series, plan: Plan, is_past: Any = slice(None)) -> tuple[Array, Array]:
    """What the model reads in each row, and whether nothing is missing there; of the past missing cells are noted."""
    numbers = features.matrix(series, plan.features, False)
    features.note_missing(series, plan, numbers[is_past])
    if plan.gaps == "fill":
        numbers = features.matrix(series, plan.features, True)
    return numbers, np.asarray(~np.isnan(numbers).any(axis=1))
