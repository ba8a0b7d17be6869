"""One epoch of MNIST read row by row: GRU(128) over 28 steps of 28 pixels, Dense(10), batch 128, Adam."""

from __future__ import annotations

from typing import Any

from bench import mnist, network
from bench.network import Arrays
from bench.variants import Variant, training_variants

TITLE = "one MNIST epoch, GRU 128, batch 128, Adam"
ROUNDS = 5
DOES = "train"
VARIANTS = "plainest and quickest"

BATCH_SIZE = 128


def data(quick: bool) -> Arrays:
    return mnist.load(quick) | network.draw(28, 128, 10).arrays()


def samples(arrays: Arrays) -> int:
    return len(arrays["x"])


def work(arrays: Arrays) -> float:
    steps = arrays["x"].shape[1]
    return samples(arrays) * network.flops(28, 128, 10, steps, training=True)


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    return training_variants(engine.trainers, arrays, BATCH_SIZE, threads)
