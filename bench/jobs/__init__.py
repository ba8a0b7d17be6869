"""What is raced, one module for each job.

A module offers ``TITLE`` and either ``run(settings, say)``, which returns the `Outcome`, or what `bench.race` needs:
``ROUNDS``; ``DOES``, what engines must be able to do (`bench.engines.Entry`); ``VARIANTS``, which of their variants
race (`bench.race.Selection`); ``data(quick)``, arrays that are made once and the same for all; ``samples(arrays)`` and
``work(arrays)``, the samples in one run and the floating-point operations they take; and
``prepare(engine, arrays, threads)``, the `bench.variants.Variant`s of the engine by name, the plainest first.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

from bench.outcome import Outcome, Settings

JOBS = (
    "train",
    "small",
    "predict",
    "latency",
    "cold",
    "scale",
    "memory",
    "examples",
    "bridge",
    "step",
    "stream",
    "serve",
)


def between(engines: Sequence[str]) -> list[str]:
    """The jobs that these engines can race in; `NEEDS` of a job names those of which it takes one, and `PACKAGES` what
    must be installed besides."""
    return [
        name
        for name in JOBS
        if getattr(load(name), "NEEDS", {*engines}).intersection(engines)
        and all(importlib.util.find_spec(package) for package in getattr(load(name), "PACKAGES", ()))
    ]


def run(name: str, settings: Settings, say: Callable[[str], None]) -> Outcome:
    """Do a job; `say` gets a line for what happens.

    Raises
    ------
    RuntimeError
        No engine can do it, or fastgru cannot.
    """
    from bench.race import race

    job = load(name)
    outcome = job.run(settings, say) if hasattr(job, "run") else race(name, job, settings, say)
    if not outcome.results:
        raise RuntimeError("no engine got through")
    return outcome


def load(name: str) -> Any:
    """The job's module."""
    return importlib.import_module(f"bench.jobs.{name}")
