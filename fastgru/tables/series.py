"""Rows in the order of their time, series by series: double stamps and gaps named, then mended or left out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fastgru.tables.plan import Plan
from fastgru.tables.table import Table, is_missing
from fastgru.tables.times import Step, shown, step_of
from fastgru.types import Array

PLACES = 3  # that a message names


@dataclass
class Series:
    """Rows of one series after the other, each in the order of time.

    Attributes
    ----------
    table : Table
        The columns in this order.
    times : (N,) datetime64 ndarray or None
    group : (N,) int ndarray
        Which series a row is of.
    groups : list of str
        The names of the series.
    follows : (N,) bool ndarray
        Whether a row comes one step behind the row before it, in the same series.
    step : Step or None
    notes : list of str
        What was found and what was done about it.
    """

    table: Table
    times: Array | None
    group: Array
    groups: list[str]
    follows: Array
    step: Step | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.group)


def arranged(table: Table, plan: Plan) -> Series:
    """The rows of a table by group and time.

    Raises
    ------
    ValueError
        A time is missing, or what the plan refuses is there: double stamps, gaps, times beside the regular step.
    """
    group, groups = _groups(table, plan)
    times = None if plan.time is None else table.require(plan.time, "--time")
    if times is not None and times.dtype.kind != "M":
        raise ValueError(
            f"--time: expected a column of times, but {plan.time!r} of {table.file} holds "
            f"{'numbers' if times.dtype.kind == 'f' else 'text'}; --time-format says how they are written."
        )
    if times is not None and (empty := np.flatnonzero(np.isnat(times))).size:
        raise ValueError(
            f"{table.file}: rows without a time in {plan.time!r}: {empty.size:,} (first: {table.line(empty[0])}); mend "
            "or remove them."
        )
    order = np.arange(len(table)) if times is None else np.lexsort((times, group))
    if times is None and groups:
        order = np.argsort(group, kind="stable")
    table, group, lines = table.taken(order), group[order], order
    follows = np.concatenate([[False], group[1:] == group[:-1]])
    series = Series(table, None if times is None else times[order], group, groups, follows, notes=list(table.notes))
    if series.times is not None:
        series, lines = _without_doubles(series, plan, lines)
        _find_step(series, plan)
        if series.step is not None:
            series = _without_gaps(series, plan, lines)
    return series


def _groups(table: Table, plan: Plan) -> tuple[Array, list[str]]:
    """Which series each row is of, and their names: those of the plan, in its order."""
    if plan.group is None:
        return np.zeros(len(table), np.int64), []
    names = table.require(plan.group, "--group")
    present = list(dict.fromkeys(names.tolist()))
    if plan.groups and not plan.is_of_groups:
        groups = list(plan.groups)
        unknown = [name for name in present if name not in plan.groups]
        if unknown:
            raise ValueError(
                f"{table.file}, column {plan.group!r}: the model knows no series "
                f"{', '.join(map(repr, unknown[:PLACES]))}; it was trained on {len(groups)}: {', '.join(groups[:8])}."
            )
    else:
        groups = sorted(present)
    numbers = {name: number for number, name in enumerate(groups)}
    return np.fromiter(map(numbers.__getitem__, names), np.int64, len(names)), groups


def _without_doubles(series: Series, plan: Plan, lines: Array) -> tuple[Series, Array]:
    times = series.times
    assert times is not None
    double = series.follows & np.concatenate([[False], times[1:] == times[:-1]])
    rows = np.flatnonzero(double)
    if not rows.size:
        return series, lines
    places = ", ".join(
        f"{time} in {series.table.line(lines[row])}"
        for time, row in zip(shown(times[rows[:PLACES]]), rows, strict=False)
    )
    finding = (
        f"rows with the time of another{' of their series' * bool(series.groups)}: {rows.size:,} (first: {places})"
    )
    if plan.doubles == "refuse":
        several = "" if series.groups else ", and --group tells several series apart"
        raise ValueError(
            f"{series.table.file}: {finding}; --doubles first, last or mean takes one for both{several}. An hour that "
            "comes twice in autumn is one of local time, which UTC does not have."
        )
    series.notes.append(f"{finding}; the {plan.doubles} of each is taken")
    begins = np.flatnonzero(~double)
    ends = np.append(begins[1:], len(double)) - 1
    chosen = ends if plan.doubles == "last" else begins
    table = series.table.taken(chosen)
    if plan.doubles == "mean":
        for name, column in series.table.columns.items():
            if column.dtype.kind == "f":
                with np.errstate(invalid="ignore"):
                    sums = np.add.reduceat(np.nan_to_num(column), begins)
                    table.columns[name] = sums / np.add.reduceat((~np.isnan(column)).astype(float), begins)
    group = series.group[chosen]
    follows = np.concatenate([[False], group[1:] == group[:-1]])
    return Series(table, times[chosen], group, series.groups, follows, notes=series.notes), lines[chosen]


def _find_step(series: Series, plan: Plan) -> None:
    assert series.times is not None
    series.step = Step(*plan.step) if plan.step else step_of(series.times, series.follows[1:])


def _without_gaps(series: Series, plan: Plan, lines: Array) -> Series:
    times, step = series.times, series.step
    assert times is not None and step is not None
    if plan.window is None:  # a row or a group is a sample: nobody asks for a regular step
        return series
    numbers, exact = step.numbers(times)
    beside = np.flatnonzero(~exact)
    if beside.size and plan.task == "forecast":
        first = f"{shown(times[beside[:1]])[0]} in {series.table.line(lines[beside[0]])}"
        raise ValueError(
            f"{series.table.file}: most rows come every {step}, but not all: {beside.size:,} of {len(times):,} "
            f"lie beside that step (first: {first}); a forecast "
            "needs a regular step."
        )
    distances = np.diff(numbers, prepend=numbers[:1])
    gap = series.follows & (distances > 1)
    rows = np.flatnonzero(gap)
    if not rows.size:
        return series
    absent = int((distances[rows] - 1).sum())
    places = ", ".join(
        f"after {time}, {series.table.line(lines[row - 1])}"
        for time, row in zip(shown(times[rows[:PLACES] - 1]), rows, strict=False)
    )
    finding = f"missing times: {absent:,}, in {rows.size:,} gap{'s' * (rows.size > 1)} (first: {places})"
    if plan.gaps == "refuse":
        raise ValueError(
            f"{series.table.file}: {finding}; --gaps fill fills them, --gaps skip makes no window over one."
        )
    if plan.gaps == "skip" or plan.task != "forecast":
        series.notes.append(f"{finding}; no window reaches over one")
        series.follows = series.follows & ~gap
        return series
    series.notes.append(f"{finding}; filled with the values before")
    return _filled(series, numbers)


def _filled(series: Series, numbers: Array) -> Series:
    """The same with a row for each step that is missing inside a series; its cells are empty."""
    assert series.times is not None and series.step is not None
    counts = np.where(series.follows, np.diff(numbers, prepend=numbers[:1]), 1)  # rows that end with each row
    places = np.cumsum(counts) - 1
    total = int(places[-1]) + 1
    columns = {}
    for name, column in series.table.columns.items():
        empty = "" if column.dtype == object else np.nan if column.dtype.kind == "f" else np.datetime64("NaT", "us")
        columns[name] = np.full(total, empty, column.dtype)
        columns[name][places] = column
    # the row at or behind each step
    owner = np.searchsorted(places, np.arange(total))
    group, times = series.group[owner], np.empty(total, series.times.dtype)
    times[places] = series.times
    for row in np.flatnonzero(counts > 1):
        inside = np.arange(1, counts[row])
        times[places[row - 1] + inside] = series.step.after(series.times[row - 1], inside)
    follows = np.concatenate([[False], group[1:] == group[:-1]])
    table = Table(series.table.file, columns, series.table.problems, series.notes, series.table.lines)
    return Series(table, times, group, series.groups, follows, series.step, series.notes)


def complete(column: Array, series: Series) -> Array:
    """Cells with those that are empty taken from the row before, in the same series; empty where there is none.

    Values that come later are not looked at: at the time of the cell nobody knew them.
    """
    missing = is_missing(column)
    if not missing.any():
        return column
    begins = np.concatenate([[True], series.group[1:] != series.group[:-1]])
    rows = np.arange(len(column))
    return column[np.maximum.accumulate(np.where(~missing | begins, rows, 0))]
