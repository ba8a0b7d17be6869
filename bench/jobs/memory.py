"""The most memory that a fresh process holds: to predict, and to train."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from bench import network
from bench.engines import ENGINES
from bench.jobs.train import BATCH_SIZE
from bench.outcome import Outcome, Result, Settings
from bench.process import fresh
from bench.programs import Programs
from bench.race import Say, installed

TITLE = "peak resident memory of a fresh process, GRU 128 over (28, 28)"
_ROUNDS = 3


def run(settings: Settings, say: Say) -> Outcome:
    outcome = Outcome("memory", TITLE, unit="bytes")
    names = installed(outcome, settings, say)
    rng = np.random.default_rng(0)
    count = 2 * BATCH_SIZE if settings.quick else 50 * BATCH_SIZE
    arrays = network.draw(28, 128, 10).arrays()
    arrays["x"], arrays["y"] = rng.random((count, 28, 28), dtype=np.float32), rng.integers(0, 10, count)
    images = rng.random((250 if settings.quick else 10_000, 28, 28), dtype=np.float32)
    first, many = "one prediction", f"{len(images):,} predictions"
    training = f"training, {count // BATCH_SIZE} batches of {BATCH_SIZE}"
    rounds = settings.rounds or (1 if settings.quick else _ROUNDS)
    with tempfile.TemporaryDirectory() as text:
        programs = Programs(outcome, Path(text), names, arrays, settings.threads, say)

        def measure(result: Result) -> float:
            if result.task != training:
                return programs.open_and_predict(result.engine, arrays["x"][:1] if result.task == first else images)[1]
            arguments = [result.engine, str(programs.data), str(BATCH_SIZE), str(settings.threads)]
            return int(fresh("train", arguments, settings.threads)[1].split()[-1])

        results = [Result(name, task, "fresh process") for task in (first, many) for name in names]
        results += [Result(name, training, "fresh process") for name in names if "train" in ENGINES[name].does]
        programs.race(results, rounds, measure)
    outcome.samples = {first: 1, many: len(images), training: count}
    return outcome
