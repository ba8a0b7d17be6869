"""Other libraries' own recurrent layers, and the same on fastgru's kernels: updates in training, and predictions."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np

from bench import network
from bench.network import Arrays
from bench.outcome import OWN, Outcome, Settings, times
from bench.race import Race, Say, installed
from bench.variants import Variant

TITLE = "layers of other libraries on fastgru's kernels"
_ROUNDS = 5
_RUN_SECONDS = 0.3

# the library's engine, the module of `bench.bridges`, and the name in tasks
_LIBRARIES = (
    ("pytorch", "pytorch", "torch"),
    ("keras_jax", "keras_jax", "Keras on JAX"),
    ("pytorch", "keras_torch", "Keras on torch"),
)
NEEDS = {engine for engine, _module, _title in _LIBRARIES}  # one of them, beside fastgru


class Shape(NamedTuple):
    """A batch and the layers that it goes through."""

    name: str
    B: int
    T: int
    F: int
    H: int
    layers: int = 1
    directions: int = 1
    packed: bool = False


def shapes(quick: bool) -> list[Shape]:
    if quick:
        return [Shape("small", 3, 6, 4, 8), Shape("packed", 5, 6, 4, 8, 1, 2, True)]
    return [
        Shape("MNIST", 128, 28, 28, 128),
        Shape("two layers, both directions", 64, 200, 10, 128, 2, 2),
        Shape("512 units", 32, 50, 64, 512),
        Shape("one row", 1, 28, 28, 128),
        Shape("unequal lengths", 64, 100, 32, 128, 1, 2, True),
    ]


def data(shape: Shape, module: str, trains: bool) -> Arrays:
    rng = np.random.default_rng(0)
    lengths = np.full(shape.B, shape.T)
    if shape.packed:
        lengths = rng.integers(shape.T // 4, shape.T + 1, shape.B)
    return {
        "module": np.array(module),
        "trains": np.array(trains),
        "x": rng.standard_normal((shape.B, shape.T, shape.F)).astype(np.float32),
        "lengths": lengths,
        "units": np.array(shape.H),
        "layers": np.array(shape.layers),
        "directions": np.array(shape.directions),
    }


def work(shape: Shape, lengths: Any, trains: bool) -> float:
    """Floating-point operations of one run."""
    return sum(
        shape.directions * network.flops(shape.F, shape.H, 0, int(length), shape.layers, trains) for length in lengths
    )


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    """The library's layer, on fastgru's kernels in fastgru's process."""
    module = importlib.import_module(f"bench.bridges.{arrays['module']}")
    variants: dict[str, Variant] = module.variants(engine.__name__.endswith(f".{OWN}"), arrays, threads)
    return variants


def run(settings: Settings, say: Say) -> Outcome:
    """A task for each library, shape, and training or predicting."""
    outcome = Outcome("bridge", TITLE)
    names = installed(outcome, settings, say)
    rounds = settings.rounds or (1 if settings.quick else _ROUNDS)
    for engine, module, title in (library for library in _LIBRARIES if library[0] in names):
        with Race(outcome, [OWN, engine], settings, _RUN_SECONDS, say) as race:
            for shape in shapes(settings.quick):
                for trains in (True, False):
                    task = f"{title} {'train' if trains else 'predict'} {shape.name}"
                    arrays = data(shape, module, trains)
                    race.run("bridge", arrays, rounds, task, None, "one")
                    outcome.work[task], outcome.samples[task] = work(shape, arrays["lengths"], trains), shape.B
                    say(f"{task}: {times(outcome.ratios(engine)[task])}")
    return outcome
