"""One epoch of MNIST read row by row: GRU(128) over 28 steps of 28 pixels, Dense(10), batch 128, Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench import network
from bench.engines import Trainer
from bench.jobs import Way
from bench.network import Arrays, Floats, Labels

TITLE = "one MNIST epoch, GRU 128, batch 128, Adam"
ROUNDS = 5
TRAINS = True
WAYS = "plainest and quickest"

Trainers = Callable[[network.Network, int, int, int], dict[str, Callable[[], Trainer]]]

BATCH_SIZE = 128
_TRIAL_BATCHES = 64
_ANSWERED = 256


def mnist(quick: bool) -> Arrays:
    """MNIST as numbers from 0 to 1; some noise of its form for a quick functional run."""
    if quick:
        x = np.random.default_rng(0).random((1000, 28, 28), dtype=np.float32)
        y = np.arange(1000) % 10
        return {"x": x, "y": y, "x_test": x[:250], "y_test": y[:250]}
    from fastgru.datasets import mnist

    (x, y), (x_test, y_test) = mnist.load_data()
    images = {"x": x, "x_test": x_test}
    labels = {"y": y, "y_test": y_test}
    return {name: array.astype(np.float32) / 255 for name, array in images.items()} | {
        name: array.astype(np.int64) for name, array in labels.items()
    }


def data(quick: bool) -> Arrays:
    return mnist(quick) | network.draw(28, 128, 10).arrays()


def samples(arrays: Arrays) -> int:
    return len(arrays["x"])


def work(arrays: Arrays) -> float:
    steps = arrays["x"].shape[1]
    return samples(arrays) * network.flops(28, 128, 10, steps, training=True)


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Way]:
    return training_ways(engine.trainers, arrays, BATCH_SIZE, threads)


def training_ways(trainers: Trainers, arrays: Arrays, batch_size: int, threads: int) -> dict[str, Way]:
    """Epochs over x and y of the arrays, and the accuracy on x_test and y_test."""
    steps = arrays["x"].shape[1]
    makers = trainers(network.from_arrays(arrays), steps, batch_size, threads)
    return {name: _way(make, arrays, batch_size) for name, make in makers.items()}


def _way(make: Callable[[], Trainer], arrays: Arrays, batch_size: int) -> Way:
    x, y = arrays["x"], arrays["y"]
    made: list[Trainer] = []

    def answers() -> tuple[Floats, ...]:
        """Outputs before and after three updates, in order and the last on a batch of the size that ends an epoch."""
        made.append(make())
        trainer = made[0]
        before = trainer.outputs(x[:_ANSWERED])
        rows = 2 * batch_size + (len(x) % batch_size or batch_size)
        trainer.epoch(x[:rows], y[:rows], shuffle=False)
        return before, trainer.outputs(x[:_ANSWERED])

    def trial() -> None:
        made[0].epoch(x[: _TRIAL_BATCHES * batch_size], y[: _TRIAL_BATCHES * batch_size])

    def check() -> dict[str, float]:
        return {"accuracy": accuracy(made[0].outputs(arrays["x_test"]), arrays["y_test"])}

    return Way(answers, lambda: made[0].epoch(x, y), trial, check)


def accuracy(outputs: Floats, labels: Labels) -> float:
    """Share of the samples whose class is predicted."""
    predicted = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    return float((predicted == labels).mean())
