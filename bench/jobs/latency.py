"""One MNIST image through the model of the `train` job: numpy in, numpy out."""

from __future__ import annotations

from functools import partial
from typing import Any

from bench import mnist, network
from bench.network import Arrays
from bench.variants import Variant, inference

TITLE = "one MNIST image, GRU 128"
ROUNDS = 9
DOES = "predict"
VARIANTS = "all"


def data(quick: bool) -> Arrays:
    return {"x": mnist.load(quick)["x_test"][:1]} | network.draw(28, 128, 10).arrays()


def samples(arrays: Arrays) -> int:
    return 1


def work(arrays: Arrays) -> float:
    return network.flops(28, 128, 10, arrays["x"].shape[1])


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    x = arrays["x"]
    callers = engine.callers(network.from_arrays(arrays), x.shape[1], threads)
    return {name: inference(partial(call, x)) for name, call in callers.items()}
