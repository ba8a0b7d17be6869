"""How an engine does a job, in the form that `bench.worker` times."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bench import network
from bench.engines import Trainer
from bench.network import Arrays, Floats, Labels

Trainers = Callable[[network.Network, int, int, int], dict[str, Callable[[], Trainer]]]

_TRIAL_BATCHES = 64
_ANSWERED = 256


class Variant(NamedTuple):
    """One variant in which an engine does a job.

    Attributes
    ----------
    answers
        The numbers that must be the same in every engine: outputs, and in training those after a few updates, for which
        engines' rounding has grown. It also warms up, so that compiling is not timed.
    run
        What is timed.
    trial
        A short form of it, by which an engine's quickest variant is picked.
    check
        What is asked after the race.
    measure
        Gives the seconds of each call, about so many in all, where the variant times its own.
    """

    answers: Callable[[], tuple[Floats, ...]]
    run: Callable[[], object]
    trial: Callable[[], object]
    check: Callable[[], dict[str, float]]
    measure: Callable[[float], list[float]] | None = None


def inference(call: Callable[[], Floats]) -> Variant:
    """The variant whose outputs are both its answers and what is timed."""
    return Variant(lambda: (call(),), call, call, dict)


def updates(predict: Callable[[], Floats], train: Callable[[], None]) -> Variant:
    """The variant that times one update of a model; its answers are outputs before and after three."""

    def answers() -> tuple[Floats, ...]:
        before = np.array(predict())
        for _ in range(3):
            train()
        return before, np.array(predict())

    return Variant(answers, train, train, dict)


def training_variants(trainers: Trainers, arrays: Arrays, batch_size: int, threads: int) -> dict[str, Variant]:
    """Epochs over x and y of the arrays, and the accuracy on x_test and y_test."""
    steps = arrays["x"].shape[1]
    makers = trainers(network.from_arrays(arrays), steps, batch_size, threads)
    return {name: _variant(make, arrays, batch_size) for name, make in makers.items()}


def _variant(make: Callable[[], Trainer], arrays: Arrays, batch_size: int) -> Variant:
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

    return Variant(answers, lambda: made[0].epoch(x, y), trial, check)


def accuracy(outputs: Floats, labels: Labels) -> float:
    """Share of the samples whose class is predicted."""
    predicted = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    return float((predicted == labels).mean())
