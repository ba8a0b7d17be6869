"""Requests to one and the same server, behind which the engines stand, by 1, 16 and 256 clients that ask in turn.

Clients and server share the processors. What a request costs without a model tells the engine that answers by heart.
"""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench import load, network
from bench.network import Arrays, Floats
from bench.outcome import Outcome, Settings, counted
from bench.race import Race, Say, installed
from bench.service import Service
from bench.variants import Variant

TITLE = "requests to one server"
PACKAGES = ("starlette", "uvicorn", "httptools", "prometheus_client")  # of the extra [serve]
_ROUNDS = 10
_RUN_SECONDS = 0.6
_WARM_UP = 0.2  # of a run, before it
_REQUESTS = 64  # different ones

# steps, features, units, classes, layers
MODELS = {"small: GRU(32) over (10, 8)": (10, 8, 32, 1, 1), "large: 2 x GRU(128) over (100, 16)": (100, 16, 128, 10, 2)}


def tasks(quick: bool) -> list[tuple[str, int]]:
    """Models and numbers of clients."""
    return [(next(iter(MODELS)), 3)] if quick else [(model, count) for model in MODELS for count in (1, 16, 256)]


def data(model: str, count: int) -> Arrays:
    steps, features, *others = MODELS[model]
    x = np.random.default_rng(0).standard_normal((_REQUESTS, steps, features)).astype(np.float32)
    return {"x": x, "clients": np.array(count)} | network.draw(features, *others).arrays()


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    name = engine.__name__.rpartition(".")[2]
    ways = engine.predictors(network.from_arrays(arrays), arrays["x"], threads)
    return {way: _variant(name, way, arrays, threads) for way in ways}


def _variant(engine: str, way: str, arrays: Arrays, threads: int) -> Variant:
    requests = [load.request(row[None]) for row in arrays["x"]]
    count, classes = int(arrays["clients"]), network.from_arrays(arrays).classes
    started: list[Service] = []
    latencies: list[float] = []

    def drive(seconds: float | None) -> load.Load:
        with started[0] as service:
            return load.drive(service.port, load.numbered(requests, seconds), count)

    def answers() -> tuple[Floats, ...]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "data.npz"
            np.savez(file, allow_pickle=False, **arrays)
            started.append(Service(engine, way, str(file), threads))
        given_back = drive(None).answers
        return (np.stack([load.answer(given_back[number], classes) for number in range(len(requests))]),)

    def measure(seconds: float) -> list[float]:
        """What a request took of the time, of all clients together."""
        drive(_WARM_UP * seconds)
        run = drive(seconds)
        latencies.extend(run.latencies)
        return [run.seconds / len(run.latencies)]

    def check() -> dict[str, float]:
        p50, p99, p999 = np.percentile(latencies, [50, 99, 99.9])
        return {"p50": p50, "p99": p99, "p99.9": p999, "max": max(latencies), "requests": len(latencies)}

    def once() -> object:
        return drive(None)

    return Variant(answers, once, once, check, measure)


def run(settings: Settings, say: Say) -> Outcome:
    """A task for each model and number of clients."""
    if absent := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise RuntimeError(f"{absent[0]} is not installed: pip install 'fastgru[serve]'")
    outcome = Outcome("serve", TITLE)
    names = installed(outcome, settings, say, "serve")
    rounds = settings.rounds or (1 if settings.quick else _ROUNDS)
    with Race(outcome, names, settings, _RUN_SECONDS, say, yardstick=False) as race:
        for model, count in tasks(settings.quick):
            task = f"{model}, {counted(count, 'client')}"
            race.run("serve", data(model, count), rounds, task)
            outcome.samples[task] = 1
            for result in outcome.results:
                if result.task == task:
                    say(f"{task}: {result.engine}, {result.variant}: {1 / result.median:,.0f} requests a second")
    return outcome
