"""128 updates of a small model: GRU(64) over 10 steps of one number, Dense(1), batch 32, Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import network
from bench.network import Arrays
from bench.variants import Variant, training_variants

TITLE = "128 batches of 32, GRU 64 over (10, 1), Adam"
ROUNDS = 9
DOES = "train"
VARIANTS = "plainest and quickest"

BATCH_SIZE = 32
_STEPS = 10


def data(quick: bool) -> Arrays:
    """Whether a noisy series goes up or down."""
    rng = np.random.default_rng(0)
    count = 4 * BATCH_SIZE if quick else 128 * BATCH_SIZE
    slopes = rng.uniform(-1, 1, (count, 1, 1))
    x = (slopes * np.linspace(-1, 1, _STEPS)[:, None] + rng.normal(0, 0.3, (count, _STEPS, 1))).astype(np.float32)
    y = (slopes[:, 0, 0] > 0).astype(np.int64)
    series: Arrays = {"x": x, "y": y, "x_test": x, "y_test": y}
    return series | network.draw(1, 64, 1).arrays()


def samples(arrays: Arrays) -> int:
    return len(arrays["x"])


def work(arrays: Arrays) -> float:
    return samples(arrays) * network.flops(1, 64, 1, _STEPS, training=True)


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    return training_variants(engine.trainers, arrays, BATCH_SIZE, threads)
