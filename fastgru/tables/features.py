"""Columns as the numbers that a model reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastgru.tables.calendar import circle
from fastgru.tables.plan import Feature, Plan
from fastgru.tables.series import PLACES, Series, complete
from fastgru.tables.table import is_missing
from fastgru.types import Array

MOST_VALUES = 50  # of a category


class Unreadable(ValueError):
    """A column of which no numbers can be made; the second argument says what it holds."""

    def __str__(self) -> str:
        return str(self.args[0])


def fitted(series: Series, plan: Plan, columns: Sequence[str] | None, training: Array) -> tuple[Feature, ...]:
    """What is made of each column, by its cells in the training part.

    Parameters
    ----------
    series : Series
    plan : Plan
    columns : list of str, optional
        Absent: those that the plan has no other use for, but for what cannot be read, which is noted.
    training : (N,) bool ndarray
        Which rows are of that part.

    Raises
    ------
    ValueError
        A column that was asked for is of times, or of texts that nearly all differ, or holds nothing in that part.
    """
    if columns is not None:
        return tuple(_fitted(series, name, training) for name in columns)
    read = []
    for name in series.table.names:
        if name not in (plan.target, plan.time, plan.group, *plan.known):
            try:
                feature = _fitted(series, name, training)
                if len(set(series.table.columns[name][training].tolist())) == 1:
                    raise Unreadable("", "is the same in all rows of the training part")
                read.append(feature)
            except Unreadable as reason:
                series.notes.append(f"{name!r} is left out: it {reason.args[1]}")
    return tuple(read)


def _fitted(series: Series, name: str, training: Array) -> Feature:
    column = series.table.require(name, "--columns")

    def unreadable(reason: str) -> Unreadable:
        return Unreadable(f"{series.table.file}, column {name!r}: {reason}; leave it out of --columns.", reason)

    if column.dtype.kind == "M":
        raise unreadable("holds times, which a model does not read")
    cells = column[training]
    cells = cells[~is_missing(cells)]
    if not len(cells):
        raise unreadable("holds nothing in the training part")
    if column.dtype.kind == "f":
        if not np.isfinite(cells).all():
            raise unreadable("holds infinite numbers")
        return Feature(name, fill=float(cells.mean()))
    values = sorted(set(cells.tolist()))
    if len(values) > MOST_VALUES:
        raise unreadable(
            f"holds {len(values):,} different texts, such as {values[0]!r}, and at most {MOST_VALUES} can be told apart"
        )
    return Feature(name, "category", tuple(values))


def matrix(series: Series, features: Sequence[Feature], fill: bool) -> Array:
    """(N, F) float32: what the model reads in each row, NaN where a cell is missing and `fill` does not mend it."""
    parts = [_numbers(series, feature, fill) for feature in features]
    return np.concatenate(parts, axis=1, dtype=np.float32) if parts else np.empty((len(series), 0), np.float32)


def _numbers(series: Series, feature: Feature, fill: bool) -> Array:
    if feature.kind == "calendar":
        assert series.times is not None
        return circle(series.times, feature.column)
    column = series.table.require(feature.column, "the model")
    if fill and series.times is not None:
        column = complete(column, series)
    if feature.kind == "number":
        if column.dtype.kind != "f":
            raise ValueError(f"{series.table.file}, column {feature.column!r}: expected numbers, got text.")
        return np.nan_to_num(column, nan=feature.fill)[:, None] if fill else column[:, None]
    if column.dtype != object:
        raise ValueError(f"{series.table.file}, column {feature.column!r}: expected text, got {column.dtype}.")
    ones = np.stack([column == value for value in feature.values], axis=1).astype(np.float32)
    if not fill:
        ones[is_missing(column)] = np.nan
    return ones


def note_missing(series: Series, plan: Plan, numbers: Array) -> None:
    """Say which cells are missing and what is done about it; ValueError where the plan refuses it."""
    missing = np.isnan(numbers)
    if not missing.any():
        return
    names = [f"{name} {count:,}" for name, count in zip(plan.names, missing.sum(axis=0), strict=True) if count]
    finding = f"values are missing: {', '.join(names[: 2 * PLACES])}"
    if plan.gaps == "refuse":
        raise ValueError(f"{series.table.file}: {finding}; --gaps fill or --gaps skip says what becomes of them.")
    if plan.gaps == "fill":
        becomes = "each takes the value before it" if series.times is not None else "each takes its column's mean"
    else:
        becomes = "no window reaches over one" if plan.window else "such rows are left out"
    series.notes.append(f"{finding}; {becomes}")
