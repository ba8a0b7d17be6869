"""One step of one row a call, as a stream gives it: numpy in, numpy out, one GRU layer, one thread.

The states go on from step to step, all of which are timed, each by itself; what a clock takes is in every number.
"""

from __future__ import annotations

import dataclasses
import time
from itertools import cycle, islice
from typing import Any

import numpy as np

from bench import network
from bench.engines import Caller
from bench.network import Arrays, Floats
from bench.outcome import OWN, Outcome, Settings, times
from bench.race import Race, Say, installed
from bench.variants import Variant

TITLE = "one step of one row, one GRU layer, one thread"
_ROUNDS = 20
_STEPS_A_TURN = 50_000  # in 20 rounds a million
_TURN_SECONDS = 1.2  # after which an engine of over 24 us a step has had its turn
_COMPARED = 100
_ROWS = 1000


def sizes(quick: bool) -> list[int]:
    """Units, which are as many as features."""
    return [8, 32] if quick else [8, 32, 64, 128, 256]


def data(units: int) -> Arrays:
    x = np.random.default_rng(0).standard_normal((_ROWS, units)).astype(np.float32)
    return {"x": x} | network.draw(units, units, 1).arrays()


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    steppers = engine.steppers(network.from_arrays(arrays).cells[0])
    return {name: _variant(step, arrays["x"]) for name, step in steppers.items()}


def _variant(step: Caller, x: Floats) -> Variant:
    rows = cycle(np.split(x, len(x)))
    all_nanoseconds: list[int] = []

    def answers() -> tuple[Floats, ...]:
        """The first states, one after the other."""
        return (np.concatenate([step(row).copy() for row in islice(rows, _COMPARED)]),)

    def measure(seconds: float) -> list[float]:
        nanoseconds: list[int] = []
        clock, end = time.perf_counter_ns, time.perf_counter_ns() + int(1e9 * seconds)
        for row in islice(rows, _STEPS_A_TURN):
            began = clock()
            step(row)
            ended = clock()
            nanoseconds.append(ended - began)
            if ended > end:
                break
        all_nanoseconds.extend(nanoseconds)
        return [1e-9 * number for number in nanoseconds]

    def check() -> dict[str, float]:
        """What the slowest of all steps took."""
        seconds = 1e-9 * np.array(all_nanoseconds)
        p50, p99, p999 = np.percentile(seconds, [50, 99, 99.9])
        return {"p50": p50, "p99": p99, "p99.9": p999, "max": seconds.max(), "steps": len(seconds)}

    return Variant(answers, run := lambda: step(next(rows)), run, check, measure)


def run(settings: Settings, say: Say) -> Outcome:
    """A task for each number of units."""
    outcome = Outcome("step", TITLE)
    alone = dataclasses.replace(settings, threads=1)
    names = installed(outcome, alone, say, "step")
    rounds = settings.rounds or (1 if settings.quick else _ROUNDS)
    with Race(outcome, names, alone, _TURN_SECONDS, say, yardstick=False) as race:
        for units in sizes(settings.quick):
            task = f"{units} units"
            race.run("step", data(units), rounds, task)
            outcome.samples[task] = 1
            for name in names:
                if name != OWN and task in (ratios := outcome.ratios(name)):
                    say(f"{task}: {name} {times(ratios[task])}")
    return outcome
