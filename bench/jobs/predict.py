"""MNIST's 10,000 test images through the model of the `train` job, in batches of the size that suits each engine."""

from __future__ import annotations

from functools import partial
from typing import Any

from bench import mnist, network
from bench.network import Arrays
from bench.variants import Variant, inference

TITLE = "10,000 MNIST images, GRU 128, best batch of each"
ROUNDS = 9
DOES = "predict"
VARIANTS = "plainest and quickest"

# Keras's default, then divisors of the number of images
_BATCH_SIZES = (32, 125, 250, 500, 1000, 10_000)


def data(quick: bool) -> Arrays:
    return {"x": mnist.load(quick)["x_test"]} | network.draw(28, 128, 10).arrays()


def samples(arrays: Arrays) -> int:
    return len(arrays["x"])


def work(arrays: Arrays) -> float:
    return samples(arrays) * network.flops(28, 128, 10, arrays["x"].shape[1])


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    x = arrays["x"]
    batchers = engine.batchers(network.from_arrays(arrays), x.shape[1], threads)
    sizes = [size for size in _BATCH_SIZES if size <= len(x)]
    return {
        f"{name}, batch {size}": inference(partial(batcher, x, size))
        for name, batcher in batchers.items()
        for size in sizes
    }
