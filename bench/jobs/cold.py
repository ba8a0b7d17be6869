"""A fresh process: import, open a model's file, predict one image, end."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from bench import network
from bench.engines import ENGINES
from bench.outcome import Outcome, Result, Settings
from bench.programs import Programs
from bench.race import Say, installed

TITLE = "fresh process: import, open the model (GRU 128), first prediction, end"
_ROUNDS = 7


def run(settings: Settings, say: Say) -> Outcome:
    """Wall time from the start of each process to its end; a first one, which brings the files into memory, is not
    counted."""
    outcome = Outcome("cold", TITLE, samples={"": 1})
    names = installed(outcome, settings, say)
    arrays = network.draw(28, 128, 10).arrays()
    arrays["x"] = np.random.default_rng(0).random((1, 28, 28), dtype=np.float32)
    rounds = settings.rounds or (1 if settings.quick else _ROUNDS)
    with tempfile.TemporaryDirectory() as text:
        programs = Programs(outcome, Path(text), names, arrays, settings.threads, say)
        results = [Result(name, "", f"opens a {ENGINES[name].file} file") for name in names]
        programs.race(results, rounds, lambda result: programs.open_and_predict(result.engine, arrays["x"])[0])
    return outcome
