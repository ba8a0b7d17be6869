"""A log in which what any client can cause is a line in a while, and not one for each time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

__all__ = ["Seldom"]

SECONDS = 60.0


class _Line(NamedTuple):
    """When a line may be written again, and how many have been left out."""

    due: float
    left_out: int


class Seldom(logging.Filter):
    """Lets a warning or error of one wording through once in `seconds`, with the number of those between.

    Parameters
    ----------
    seconds : float
    clock : callable
    """

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._lines: dict[Any, _Line] = {}  # by the wording, of which a program has a few, and by the kind of exception

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        key = record.msg, record.exc_info and record.exc_info[0]
        now = self._clock()
        due, left_out = self._lines.get(key, _Line(now, 0))
        if now < due:
            self._lines[key] = _Line(due, left_out + 1)
            return False
        self._lines[key] = _Line(now + self._seconds, 0)
        if left_out:
            record.msg = f"{str(record.msg).rstrip()} ({left_out} more since the last such line)"
        return True
