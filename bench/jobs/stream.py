"""One step of many sessions in one call, each with states of its own, in another order in every call."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np

from bench import network
from bench.engines import Streamer
from bench.network import Arrays, Floats
from bench.outcome import OWN, Outcome, Settings, times
from bench.race import Race, Say, installed
from bench.variants import Variant

TITLE = "one step of each session in one call"
_ROUNDS = 7
_RUN_SECONDS = 0.2
_COMPARED = 10
_ORDERS = 16

# features, units, classes, layers; the second is GRU-S of Zhang et al., Hello Edge (arXiv:1711.07128), for keywords
MODELS = {"2 x GRU(64), Dense(10)": (32, 64, 10, 2), "keywords: GRU(154), Dense(12)": (10, 154, 12, 1)}


def counts(quick: bool) -> list[int]:
    """Of sessions."""
    return [1, 5] if quick else [1, 100, 10_000]


def data(model: str, count: int) -> Arrays:
    rng = np.random.default_rng(0)
    features, *others = MODELS[model]
    arrays: Arrays = {
        "x": rng.standard_normal((_ORDERS, count, features)).astype(np.float32),
        "orders": np.stack([rng.permutation(count) for _ in range(_ORDERS)]),
    }
    return arrays | network.draw(features, *others).arrays()


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    orders = arrays["orders"]
    streamers = engine.streamers(network.from_arrays(arrays), orders.shape[1], threads)
    return {name: _variant(streamer, arrays["x"], orders) for name, streamer in streamers.items()}


def _variant(streamer: Streamer, x: Floats, orders: Any) -> Variant:
    turns = cycle([(streamer.ids[order], rows) for order, rows in zip(orders, x, strict=True)])

    def step() -> Floats:
        return streamer.step(*next(turns))

    def answers() -> tuple[Floats, ...]:
        return (np.stack([step().copy() for _ in range(_COMPARED)]),)

    return Variant(answers, step, step, dict)


def run(settings: Settings, say: Say) -> Outcome:
    """A task for each model and number of sessions."""
    outcome = Outcome("stream", TITLE)
    names = installed(outcome, settings, say, "stream")
    rounds = settings.rounds or (1 if settings.quick else _ROUNDS)
    with Race(outcome, names, settings, _RUN_SECONDS, say) as race:
        for model, sizes in MODELS.items():
            for count in counts(settings.quick):
                task = f"{model}, {count:,} session{'s' * (count > 1)}"
                race.run("stream", data(model, count), rounds, task)
                features, units, classes, layers = sizes
                # the second of two steps, less the products of the first with states that are zero
                step = network.flops(features, units, classes, 2, layers) - network.flops(features, units, 0, 1, layers)
                outcome.work[task], outcome.samples[task] = count * step, count
                for name in names:
                    if name != OWN and task in (ratios := outcome.ratios(name)):
                        say(f"{task}: {name} {times(ratios[task])}")
    return outcome
