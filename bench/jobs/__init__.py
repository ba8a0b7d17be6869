"""What is raced, one module for each job.

A module offers ``TITLE`` and either ``run(settings, say)``, which returns the `Outcome`, or what `bench.race` needs:
``ROUNDS``; ``TRAINS``, whether engines must; ``WAYS``, in which of their ways they race (`bench.race.Ways`);
``data(quick)``, arrays that are made once and the same for all; ``samples(arrays)`` and ``work(arrays)``, the samples
in one turn and the floating-point operations they take; and ``prepare(engine, arrays, threads)``, the `Way`s of the
engine by name, the plainest first.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from bench.network import Floats
from bench.outcome import Outcome, Settings

JOBS = ("train", "small", "predict", "latency", "cold", "scale", "memory")


class Way(NamedTuple):
    """One way in which an engine does a job.

    Attributes
    ----------
    answers
        The numbers that must be the same in every engine: outputs, and in training those after a few updates, for which
        engines' rounding has grown. It also warms up, so that compiling is not timed.
    turn
        What is timed.
    trial
        A short form of it, by which an engine's quickest way is found.
    check
        What is asked after the race.
    """

    answers: Callable[[], tuple[Floats, ...]]
    turn: Callable[[], object]
    trial: Callable[[], object]
    check: Callable[[], dict[str, float]]


def run(name: str, settings: Settings, say: Callable[[str], None]) -> Outcome:
    """Do a job; `say` gets a line for what happens."""
    from bench.race import race

    job = load(name)
    return job.run(settings, say) if hasattr(job, "run") else race(name, job, settings, say)


def load(name: str) -> Any:
    """The job's module."""
    return importlib.import_module(f"bench.jobs.{name}")


def inference(call: Callable[[], Floats]) -> Way:
    """The way whose outputs are both its answers and what is timed."""
    return Way(lambda: (call(),), call, call, dict)
