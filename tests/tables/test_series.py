"""Double stamps, gaps and missing values are named with their places, and mended only as one asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fastgru.tables.features import fitted, matrix, note_missing
from fastgru.tables.plan import Plan
from fastgru.tables.series import Series, arranged
from fastgru.tables.split import TRAINING, in_time
from fastgru.tables.table import Table
from fastgru.tables.windows import Windows, starts

PLAN = Plan("forecast", "y", time="t", window=2)


def table(hours: list[int], values: list[float], group: list[str] | None = None) -> Table:
    times = np.datetime64("2026-01-01T00:00", "us") + np.array(hours) * np.timedelta64(1, "h")
    columns = {"t": times, "y": np.array(values, float)}
    if group is not None:
        columns["g"] = np.array(group, object)
    return Table("d.csv", columns, lines=range(2, 1000))


def test_rows_are_put_in_the_order_of_group_and_time() -> None:
    series = arranged(table([2, 0, 1, 1, 0], [2, 0, 1, 11, 10], list("aaabb")), replace(PLAN, group="g"))
    np.testing.assert_array_equal(series.table.columns["y"], [0, 1, 2, 10, 11])
    np.testing.assert_array_equal(series.follows, [False, True, True, False, True])
    assert series.groups == ["a", "b"]


def test_double_stamps_are_refused_by_line() -> None:
    with pytest.raises(ValueError, match=r"rows with the time of another: 1 \(first: 2026-01-01 01:00 in line 4\)"):
        arranged(table([0, 1, 1, 2], [0, 1, 3, 4]), PLAN)


@pytest.mark.parametrize(("doubles", "expected"), [("first", 1), ("last", 3), ("mean", 2)])
def test_double_stamps_are_mended(doubles: str, expected: float) -> None:
    series = arranged(table([0, 1, 1, 2], [0, 1, 3, 4]), replace(PLAN, doubles=doubles))
    np.testing.assert_array_equal(series.table.columns["y"], [0, expected, 4])
    assert f"the {doubles} of each is taken" in series.notes[0]


def test_a_gap_is_refused_skipped_or_filled() -> None:
    data = table([0, 1, 2, 5, 6], [0, 1, 2, 5, 6])
    finding = r"missing times: 2, in 1 gap \(first: after 2026-01-01 02:00, line 4\)"
    with pytest.raises(ValueError, match=finding):
        arranged(data, replace(PLAN, gaps="refuse"))
    skipped = arranged(data, PLAN)
    np.testing.assert_array_equal(skipped.follows, [False, True, True, False, True])
    filled = arranged(data, replace(PLAN, gaps="fill"))
    assert len(filled) == 7 and filled.follows[1:].all()
    np.testing.assert_array_equal(np.diff(filled.times), np.timedelta64(1, "h"))
    features = fitted(filled, PLAN, ["y"], np.ones(7, bool))
    np.testing.assert_array_equal(matrix(filled, features, True)[:, 0], [0, 1, 2, 2, 2, 5, 6])


def test_a_value_that_is_missing_takes_one_of_the_past_and_of_its_own_series() -> None:
    series = arranged(table([0, 1, 2, 0, 1], [1, np.nan, 3, np.nan, 9], list("aaabb")), replace(PLAN, group="g"))
    features = fitted(series, PLAN, ["y"], np.ones(5, bool))
    mean = np.mean([1, 3, 9])
    np.testing.assert_allclose(matrix(series, features, True)[:, 0], [1, 1, 3, mean, 9], rtol=1e-6)


def test_missing_values_are_counted_or_refused() -> None:
    plan = replace(PLAN, gaps="refuse")
    series = arranged(table([0, 1, 2], [1, np.nan, 3]), plan)
    plan = replace(plan, features=fitted(series, PLAN, ["y"], np.ones(3, bool)))
    with pytest.raises(ValueError, match="values are missing: y 1; --gaps fill"):
        note_missing(series, plan, matrix(series, plan.features, False))


def test_times_beside_the_step_are_refused() -> None:
    data = table([0, 1, 2, 3], [0, 1, 2, 3])
    data.columns["t"][3] += np.timedelta64(7, "m")
    with pytest.raises(
        ValueError, match=r"most rows come every hour, but not all: 1 of 4 .* 2026-01-01 03:07 in line 5"
    ):
        arranged(data, PLAN)


def test_a_row_without_a_time_is_refused() -> None:
    data = table([0, 1], [0, 1])
    data.columns["t"][1] = np.datetime64("NaT")
    with pytest.raises(ValueError, match=r"rows without a time in 't': 1 \(first: line 3\)"):
        arranged(data, PLAN)


def test_no_window_crosses_a_gap_a_group_a_hole_or_the_split(rng) -> None:
    follows = rng.random(200) > 0.08
    usable = rng.random(200) > 0.05
    part = np.sort(rng.integers(0, 3, 200))
    group = np.cumsum(~follows)
    for length in (1, 2, 5):
        first = starts(follows, usable, part, length)
        whole = [
            i
            for i in range(200 - length + 1)
            if usable[i : i + length].all()
            and len(set(part[i : i + length])) == 1
            and len(set(group[i : i + length])) == 1
        ]
        assert first.tolist() == whole


def test_windows_are_cut_when_they_are_asked_for(rng) -> None:
    rows = rng.normal(size=(9, 2))
    windows = Windows(rows, np.array([0, 4, 5]), 3)
    assert windows.shape == (3, 3, 2)
    np.testing.assert_array_equal(windows[1:3], np.stack([rows[4:7], rows[5:8]]))
    np.testing.assert_array_equal(windows[np.array([0, 2])], np.stack([rows[0:3], rows[5:8]]))


def test_the_split_in_time_is_that_of_all_series() -> None:
    hours = [*range(10), *range(5, 10)]
    series: Series = arranged(table(hours, hours, ["a"] * 10 + ["b"] * 5), replace(PLAN, group="g"))
    part = in_time(series, (50, 25, 25))
    for one in set(series.times.tolist()):
        assert len(set(part[series.times == one])) == 1
    assert (np.diff(part[series.group == 0]) >= 0).all()
    assert set(part) == {0, 1, 2} and part[0] == TRAINING
