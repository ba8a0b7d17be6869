"""Times are read in their unambiguous forms, and their step is found."""

from __future__ import annotations

import numpy as np
import pytest

from fastgru.tables import calendar
from fastgru.tables.times import Step, UnreadableTime, shown, stamps, step_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01", "2026-03-01"),
        ("2026/03/01", "2026-03-01"),
        ("2026-3-1", "2026-03-01"),
        ("2026/3/1 9:05", "2026-03-01T09:05"),
        ("2026-03", "2026-03-01"),
        ("2026-03-01T18", "2026-03-01T18"),
        ("2026-03-01 18:30", "2026-03-01T18:30"),
        ("2026-03-01T18:30:15", "2026-03-01T18:30:15"),
        ("2026-03-01 18:30:15.25", "2026-03-01T18:30:15.250000"),
        ("2026-03-01T18:30:15,123456789", "2026-03-01T18:30:15.123456"),
        ("2026-03-01T18:30Z", "2026-03-01T18:30"),
        ("2026-03-01T18:30+02:00", "2026-03-01T16:30"),
        ("2026-03-01 18:30 -0530", "2026-03-02T00:00"),
    ],
)
def test_forms_of_iso_8601(text: str, expected: str) -> None:
    times, has_zone = stamps([text, "", text])
    assert times[0] == times[2] == np.datetime64(expected) and np.isnat(times[1])
    assert has_zone == (text.endswith("Z") or "+" in text or "-0530" in text)


@pytest.mark.parametrize("text", ["01.02.2026", "1/2/2026", "01-02-2026 18:00", "01/02/26"])
def test_day_or_month_first_is_refused_without_a_format(text: str) -> None:
    with pytest.raises(UnreadableTime, match="day or month first; say which by --time-format"):
        stamps([text])


def test_a_format_says_it() -> None:
    times, _ = stamps(["31.01.2026 18:00", ""], "%d.%m.%Y %H:%M")
    assert times[0] == np.datetime64("2026-01-31T18:00") and np.isnat(times[1])
    assert stamps(["86400.5"], "unix")[0][0] == np.datetime64("1970-01-02T00:00:00.5")
    with pytest.raises(UnreadableTime, match="in the form '%Y', got 'x'"):
        stamps(["x"], "%Y")


@pytest.mark.parametrize(
    ("texts", "index"), [(["2026-01-01", "soon"], 1), (["2026-02-30"], 0), (["2026-01-01Z", "2026-01-01"], 1)]
)
def test_the_first_that_is_none_is_named(texts: list[str], index: int) -> None:
    with pytest.raises(UnreadableTime) as caught:
        stamps(texts)
    assert caught.value.index == index


@pytest.mark.parametrize(
    ("times", "step", "words"),
    [
        (np.arange("2026-01-01", "2026-01-03", dtype="datetime64[h]"), Step(3_600_000_000), "hour"),
        (np.arange("2026-01-01", "2026-02-03", 7, dtype="datetime64[D]"), Step(7 * 86_400_000_000), "week"),
        (np.arange("2026-01", "2027-01", dtype="datetime64[M]"), Step(1, "month"), "month"),
        (np.arange("2020-01", "2027-01", 3, dtype="datetime64[M]"), Step(3, "month"), "3 months"),
        (np.arange("2026-02", "2027-02", dtype="datetime64[M]").astype("M8[D]") - 1, Step(1, "month end"), "month"),
        (np.arange("2026-01-01T00:00", "2026-01-01T06:00", 15, dtype="datetime64[m]"), Step(900_000_000), "15 minutes"),
    ],
)  # fmt: skip
def test_the_step_is_the_distance_that_most_have(times, step: Step, words: str) -> None:
    times = np.delete(times.astype("datetime64[us]"), 3)
    assert step_of(times, np.ones(len(times) - 1, bool)) == step
    assert str(step) == words
    numbers, exact = step.numbers(times)
    assert exact.all() and numbers[3] - numbers[2] == 2
    np.testing.assert_array_equal(step.after(times[0], numbers), times)


def test_the_weekday_begins_on_monday_and_the_day_at_midnight() -> None:
    monday = np.array(["2026-01-05T00:00"], "datetime64[us]")
    for period in ("weekday", "hour of day"):
        np.testing.assert_allclose(calendar.circle(monday, period), [[0, 1]], atol=1e-6)
    np.testing.assert_allclose(calendar.circle(monday + np.timedelta64(6, "h"), "hour of day"), [[1, 0]], atol=1e-6)


def test_only_what_was_seen_whole_is_in_the_calendar() -> None:
    times = np.arange("2026-01-01", "2026-04-01", dtype="datetime64[h]").astype("datetime64[us]")
    assert calendar.periods(Step(3_600_000_000), times) == ["hour of day", "weekday"]


def test_times_are_written_without_what_is_zero_in_all() -> None:
    assert shown(np.array(["2026-01-01", "2026-01-02"], "datetime64[us]")) == ["2026-01-01", "2026-01-02"]
    assert shown(np.array(["2026-01-01", "2026-01-01T06"], "datetime64[us]")) == [
        "2026-01-01 00:00",
        "2026-01-01 06:00",
    ]


def test_behind_the_end_of_a_month_come_the_ends_of_the_next_ones() -> None:
    last = np.datetime64("2024-01-31T18:00", "us")
    assert shown(Step(1, "month end").after(last, np.arange(1, 4))) == [
        "2024-02-29 18:00",
        "2024-03-31 18:00",
        "2024-04-30 18:00",
    ]
