"""Forecasts that need no model: what a model must beat to be worth having."""

from __future__ import annotations

import numpy as np

from fastgru.tables.calendar import DAY, YEAR
from fastgru.tables.times import Step
from fastgru.types import Array

SEASONS = {"day": DAY, "week": 7 * DAY, "year": YEAR}
LAST = "the last value"


def seasons(step: Step, window: int) -> dict[str, int]:
    """How many steps the seasons have that fit into a window, by the name of the naive forecast."""
    if step.unit != "us":
        lengths = {"year": 12 / step.size}
    else:
        lengths = {name: seconds / step.seconds for name, seconds in SEASONS.items()}
    whole = {name: round(length) for name, length in lengths.items() if abs(length - round(length)) < 0.3}
    return {f"the value one {name} before": length for name, length in whole.items() if 2 <= length <= window}


def last_value(windows: Array, horizon: int) -> Array:
    """(B, H): the last of each window, again and again."""
    return np.repeat(windows[:, -1:], horizon, axis=1)


def seasonal(windows: Array, horizon: int, season: int) -> Array:
    """(B, H): the last season of each window, again and again."""
    steps = np.arange(horizon) % season - season
    return windows[:, steps]
