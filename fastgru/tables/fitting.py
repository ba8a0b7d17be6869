"""The training itself: schedule of the learning rate, early stopping, and a try of a few batches."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgru import optimizers
from fastgru.callbacks import EarlyStopping, ReduceLROnPlateau, TerminateOnNaN
from fastgru.distribution import first
from fastgru.optimizers import schedules
from fastgru.tables.samples import Problem, Samples
from fastgru.tables.split import TRAINING, VALIDATION
from fastgru.tables.windows import Windows

if sys.platform != "win32":
    import resource

SCHEDULES = ("constant", "cosine", "exponential", "plateau")
FEW = 10_000  # samples, of which fewer want smaller steps
LEAST_OF_RATE = 0.01  # where a schedule ends, of where it began
TRIED_SECONDS = 3.0
TRIED_BATCHES = 20


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes
    ----------
    epochs, batch_size, patience : int
        No epoch is one too many with a patience of 0.
    learning_rate : float
    schedule : str
        One of `SCHEDULES`.
    resume : str, optional
        The folder from which, and into which, the training is saved as it goes.
    """

    epochs: int
    batch_size: int
    patience: int = 5
    learning_rate: float = 1e-3
    schedule: str = "constant"
    resume: str | None = None


def epochs(samples: int) -> int:
    """How many at most where no number is asked for: few samples want more rounds."""
    return 100 if samples < FEW else 20


def batch_size(samples: int) -> int:
    """The one where none is asked for."""
    return 32 if samples < FEW else 128


def compile_model(model: Any, problem: Problem, training: Training) -> None:
    steps = training.epochs * -(-len(problem.parts[TRAINING]) // training.batch_size)
    rate: Any = training.learning_rate
    if training.schedule == "cosine":
        rate = schedules.CosineDecay(rate, steps, alpha=LEAST_OF_RATE)
    elif training.schedule == "exponential":
        rate = schedules.ExponentialDecay(rate, steps, LEAST_OF_RATE)
    model.compile(optimizers.Adam(rate, clipnorm=1.0), problem.loss, metrics=problem.metrics)


def fit(model: Any, problem: Problem, training: Training, verbose: Any = "auto") -> Any:
    """Train; the weights are those of the epoch that did best on the validation part.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        The loss became infinite or NaN.
    """
    callbacks: list[Any] = [TerminateOnNaN()]
    if training.schedule == "plateau":
        callbacks.append(ReduceLROnPlateau(factor=0.5, patience=2, min_lr=LEAST_OF_RATE * training.learning_rate))
    # with a patience of all epochs the best weights are restored, and none is left out
    callbacks.append(EarlyStopping(patience=training.patience or training.epochs, restore_best_weights=True))
    samples, held_out = problem.parts[TRAINING], problem.parts[VALIDATION]
    history = model.fit(
        samples.x,
        samples.y,
        training.batch_size,
        training.epochs,
        verbose=verbose,
        callbacks=callbacks,
        validation_data=(held_out.x, held_out.y),
        resume=training.resume,
    )
    if not np.isfinite(history.history["loss"]).all():
        raise ValueError("the loss became infinite or NaN, so no model is saved; try a smaller --learning-rate.")
    return history


def is_unfinished(history: Any, training: Training) -> bool:
    """Whether the validation part was still served better in the last of the epochs."""
    losses = history.history["val_loss"]
    return len(losses) == training.epochs and int(np.argmin(losses)) == len(losses) - 1


def seconds_an_epoch(model: Any, problem: Problem, training: Training) -> float:
    """How long an epoch would take, by a few batches of it; they train the model."""
    samples = problem.parts[TRAINING]
    size = min(training.batch_size, len(samples))
    model.train_on_batch(*_batch(samples, 0, size))  # builds what is used again
    began, done = time.perf_counter(), 0
    while done < TRIED_BATCHES and (not done or first(time.perf_counter() - began < TRIED_SECONDS)):
        begin = done * size % (len(samples) - size + 1)
        model.train_on_batch(*_batch(samples, begin, begin + size))
        done += 1
    return (time.perf_counter() - began) / done * -(-len(samples) // size)


def _batch(samples: Samples, begin: int, end: int) -> tuple[Any, Any]:
    rows = slice(begin, end)
    several = isinstance(samples.x, list) and isinstance(samples.x[0], Windows)  # else they are sequences
    return [x[rows] for x in samples.x] if several else samples.x[rows], samples.y[rows]


def process_bytes() -> int | None:
    """The most memory that this process has taken; None where the system does not say."""
    if sys.platform == "win32":
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
