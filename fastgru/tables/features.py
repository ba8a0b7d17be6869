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


def fitted(series: Series, columns: Sequence[str], training: Array) -> tuple[Feature, ...]:
    """What is made of each column, by its cells in the training part.

    Parameters
    ----------
    series : Series
    columns : list of str
    training : (N,) bool ndarray
        Which rows are of that part.

    Raises
    ------
    ValueError
        A column is of times, or of texts that nearly all differ, or has no number in that part.
    """
    return tuple(_fitted(series, name, training) for name in columns)


def _fitted(series: Series, name: str, training: Array) -> Feature:
    column = series.table.require(name, "--columns")
    where = f"{series.table.file}, column {name!r}"
    if column.dtype.kind == "M":
        raise ValueError(f"{where}: holds times, which a model does not read; leave it out of --columns.")
    cells = column[training]
    cells = cells[~is_missing(cells)]
    if not len(cells):
        raise ValueError(f"{where}: holds nothing in the training part; leave it out by --columns.")
    if column.dtype.kind == "f":
        if not np.isfinite(cells).all():
            raise ValueError(f"{where}: holds infinite numbers; mend them or leave it out by --columns.")
        return Feature(name, fill=float(cells.mean()))
    values = sorted(set(cells.tolist()))
    if len(values) > MOST_VALUES:
        raise ValueError(
            f"{where}: holds {len(values):,} different texts, such as {values[0]!r}; at most {MOST_VALUES} can be told "
            "apart. Leave it out by --columns, or name it as --time, --group or, with --task text, --text."
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
