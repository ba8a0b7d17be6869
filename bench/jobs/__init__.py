"""What is raced, one module for each job.

A module offers ``TITLE``, ``ROUNDS``, ``data(quick)`` (arrays, made once
in the parent, the same for all), ``size(arrays)`` (the samples in one turn) and ``prepare(engine, arrays, threads)``: a
`Prepared`, warmed up.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

JOBS = ("train",)


class Prepared(NamedTuple):
    """One engine ready for its turns: what is timed, and what is asked afterwards, untimed."""

    turn: Callable[[], None]
    check: Callable[[], dict[str, float]]


def load(name: str) -> Any:
    """The job's module."""
    return importlib.import_module(f"bench.jobs.{name}")
