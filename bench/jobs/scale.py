"""Many sizes: T steps, batches of B, H units, 1 to 4 layers, masked sequences, both directions, updates in training."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench import network
from bench.engines import ENGINES
from bench.network import Arrays
from bench.outcome import OWN, Outcome, Settings, times
from bench.race import Race, Say, installed
from bench.variants import Variant, inference, training_variants

TITLE = "sizes"
_ROUNDS = 3
_BATCHES = 4  # of a run in training
_FEATURES, _CLASSES = 32, 10
_RUN_SECONDS = 0.05
_SECONDS_AT_MOST = 900.0  # sizes that have not been run by then are left out, with a line that says so
_FLOPS_AT_MOST = 3e10  # of one call: a corner of the grid that takes seconds there says nothing new


class Size(NamedTuple):
    """One point of the grid."""

    kind: str  # "predict", "masked", "bidirectional" or "train": a call, of a layer over padded sequences, an update
    T: int
    B: int
    H: int
    layers: int = 1

    def __str__(self) -> str:
        layers = f", {self.layers} layers" if self.layers > 1 else ""
        return f"{self.kind} T={self.T} B={self.B} H={self.H}{layers}"


def sizes(quick: bool) -> list[Size]:
    """The grid, in an order in which a run that is cut short has something of everything."""
    if quick:
        return [
            Size("predict", 10, 2, 16),
            Size("predict", 10, 2, 7, 2),
            Size("masked", 10, 3, 16),
            Size("bidirectional", 10, 3, 16),
            Size("train", 10, 4, 16),
        ]
    units = (16, 64, 100, 256, 512, 1024)
    grid = [
        # models so small that calling them is most of the work
        *(Size("predict", 10, B, H) for H in (16, 64) for B in (1, 2, 8)),
        Size("predict", 10, 1, 16, 2),
        *(Size(kind, 10, B, 16) for kind in ("masked", "bidirectional") for B in (1, 8)),
        *(Size("predict", T, B, 128) for T in (10, 50, 200, 2000) for B in (1, 8, 32, 128, 1024)),
        *(Size("predict", 50, B, H) for H in units for B in (1, 32, 256)),
        *(Size("predict", 50, B, 128, layers) for layers in (2, 4) for B in (1, 32, 256)),
        Size("predict", 50, 32, 128, 3),
        *(Size(kind, T, B, 128) for kind in ("masked", "bidirectional") for T in (50, 500) for B in (1, 32, 256)),
        *(Size("train", T, B, 128) for T in (10, 50, 200) for B in (32, 256)),
        *(Size("train", 50, B, H) for H in (16, 64, 512) for B in (32, 256)),
        *(Size("train", 50, 128, 128, layers) for layers in (2, 4)),
    ]
    possible = [size for size in grid if work(size, np.full(size.B, size.T)) <= _FLOPS_AT_MOST]
    stride = 7
    return [size for first in range(stride) for size in possible[first::stride]]


def work(size: Size, lengths: npt.NDArray[Any]) -> float:
    """Floating-point operations of one run; `lengths` are those of the sequences."""
    classes = _CLASSES if size.kind in ("predict", "train") else 0
    training = size.kind == "train"
    once = sum(network.flops(_FEATURES, size.H, classes, int(length), size.layers, training) for length in lengths)
    return 2 * once if size.kind == "bidirectional" else once


def data(size: Size) -> Arrays:
    """The weights, the samples, and for "masked" the lengths (right-padded, from a tenth of T to all of it)."""
    rng = np.random.default_rng(0)
    count = size.B * (_BATCHES if size.kind == "train" else 1)
    x = rng.standard_normal((count, size.T, _FEATURES)).astype(np.float32)
    lengths = np.full(count, size.T, np.int32)
    if size.kind == "masked":
        lengths = rng.integers(max(1, size.T // 10), size.T + 1, count).astype(np.int32)
    arrays = {
        "kind": np.array(size.kind),
        "batch_size": np.array(size.B),
        "x": x,
        "lengths": lengths,
        "mask": np.arange(size.T) < lengths[:, None],
        "y": rng.integers(0, _CLASSES, count),
    }
    return arrays | network.draw(_FEATURES, size.H, _CLASSES, size.layers).arrays()


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    """The variants of an engine at one size."""
    kind, x = str(arrays["kind"]), arrays["x"]
    if kind == "train":
        trainers = getattr(engine, "quick_trainers", engine.trainers)
        variants = training_variants(trainers, arrays, int(arrays["batch_size"]), threads)
        return {name: variant._replace(check=dict) for name, variant in variants.items()}
    weights, steps = network.from_arrays(arrays), x.shape[1]
    if kind == "masked":
        masked = engine.masked(weights, steps, threads)
        return {name: inference(partial(call, x, arrays["mask"], arrays["lengths"])) for name, call in masked.items()}
    callers = engine.bidirectional if kind == "bidirectional" else getattr(engine, "quick_callers", engine.callers)
    return {name: inference(partial(call, x)) for name, call in callers(weights, steps, threads).items()}


def run(settings: Settings, say: Say) -> Outcome:
    """One task for each size."""
    outcome = Outcome("scale", TITLE)
    names = installed(outcome, settings, say)
    trainers = [name for name in names if "train" in ENGINES[name].does]
    grid = [size for size in sizes(settings.quick) if size.kind != "train" or trainers]
    rounds = settings.rounds or (1 if settings.quick else _ROUNDS)
    end = time.monotonic() + _SECONDS_AT_MOST
    with Race(outcome, names, settings, _RUN_SECONDS, say) as race:
        for number, size in enumerate(grid, 1):
            if time.monotonic() > end:
                race.note(f"{_SECONDS_AT_MOST:g} s are over: the last {len(grid) - number + 1} sizes are left out")
                break
            task = str(size)
            arrays = data(size)
            race.run("scale", arrays, rounds, task, trainers if size.kind == "train" else names, "one")
            outcome.work[task], outcome.samples[task] = work(size, arrays["lengths"]), len(arrays["x"])
            peers = [outcome.ratios(name) for name in names if name != OWN]
            closest = min((ratios[task] for ratios in peers if task in ratios), default=None)
            say(f"{number} of {len(grid)}: {task}" + (f", closest peer {times(closest)}" if closest else ""))
    outcome.title = f"{len(outcome.tasks)} sizes"
    outcome.notes += _growth(outcome)
    return outcome


def _growth(outcome: Outcome) -> list[str]:
    """What a step of a row costs fastgru, along T and along B: the same everywhere if time is linear in them."""
    grid = {str(size): size for size in sizes(quick=False) if size.kind == "predict" and size.layers == 1}
    costs: dict[int, list[str]] = {}
    for task in sorted(set(outcome.tasks) & set(grid), key=lambda task: grid[task]):
        size, result = grid[task], outcome.best(task, OWN)
        if result and size.H == 128:
            costs.setdefault(size.B, []).append(f"T={size.T} {1e9 * result.median / size.T / size.B:,.0f}")
    return [
        f"fastgru, H=128, B={B}: nanoseconds for a step of a row: {', '.join(line)}"
        for B, line in sorted(costs.items())
    ]
