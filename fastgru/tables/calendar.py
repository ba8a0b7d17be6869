"""Where in the day, the week and the year a time is, as points on circles."""

from __future__ import annotations

import numpy as np

from fastgru.tables.times import Step
from fastgru.types import Array

DAY = 86_400.0
YEAR = 365.2425 * DAY
THURSDAY = 3  # 1970-01-01, counted from Monday
# name: length in seconds
PERIODS = {"hour of day": DAY, "weekday": 7 * DAY, "day of year": YEAR}


def periods(step: Step, times: Array) -> list[str]:
    """Those that a series of such a step can tell apart, and that the times have seen whole.

    Of a year that is not over yet every day is a new one, of which nothing has been learned.
    """
    span = (times.max() - times.min()).astype("timedelta64[s]").astype(np.int64) + step.seconds
    return [name for name, length in PERIODS.items() if 2 * step.seconds <= length <= span]


def circle(times: Array, period: str) -> Array:
    """(N, 2): sine and cosine of where in the period each time is."""
    seconds = times.astype("datetime64[us]").astype(np.int64) / 1e6
    if period == "day of year":
        days = times.astype("datetime64[us]") - times.astype("datetime64[Y]").astype("datetime64[us]")
        seconds = days.astype(np.int64) / 1e6
    angle = 2 * np.pi * ((seconds + (THURSDAY * DAY if period == "weekday" else 0)) / PERIODS[period])
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)
