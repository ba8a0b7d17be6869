"""Callbacks that change the learning rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru import checks
from fastgru.callbacks.callback import Callback, Logs
from fastgru.callbacks.monitors import Monitor

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau", "rates"]


def rates(optimizer: Any) -> dict[str, float]:
    """The learning rate as it stands in the logs; of a `MultiOptimizer` that of each inside, with its name."""
    named = {f"learning_rate_{one.name}": one for one in getattr(optimizer, "optimizers", ())}
    return {name: float(one.learning_rate) for name, one in (named or {"learning_rate": optimizer}).items()}


def _each(optimizer: Any) -> list[tuple[Any, str]]:
    """Whatever has a learning rate, and what is put before these words to name it."""
    inside = getattr(optimizer, "optimizers", None)
    return [(optimizer, "")] if inside is None else [(one, f"{one.name} ") for one in inside]


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch; adds ``learning_rate`` to the logs.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate) -> float``, or ``schedule(epoch) -> float``.
    verbose : int
        1 says so.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule = checks.function(schedule, type(self).__name__, "schedule")
        self.verbose = checks.verbosity(verbose, type(self).__name__, "verbose")

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        for optimizer, name in _each(self.model.optimizer):
            try:
                rate = self.schedule(epoch, float(optimizer.learning_rate))
            except TypeError:
                rate = self.schedule(epoch)
            if not isinstance(rate, float | np.floating):
                raise ValueError(f"LearningRateScheduler: expected a float from the schedule, got {rate!r}.")
            optimizer.learning_rate = rate
            if self.verbose > 0:
                print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting {name}learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs.update(rates(self.model.optimizer))


class ReduceLROnPlateau(Monitor):
    """Lowers the learning rate when a number has stopped improving; adds ``learning_rate`` to the logs.

    Parameters
    ----------
    monitor, mode
        What to watch and which way is better ("auto", "min", "max").
    factor : float
        Less than 1: the new rate is the old one times it.
    patience : int
        Epochs without improvement before that.
    verbose : int
        1 says so.
    min_delta : float
        An improvement by no more than this is none.
    cooldown : int
        Epochs after a change in which nothing is counted.
    min_lr : float
        The rate does not fall below it.
    """

    state_names = ("best", "cooldown_counter", "wait")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        where = type(self).__name__
        if not checks.is_not_negative(factor) or factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: expected a factor of at least 0 and less than 1, got {factor!r}.")
        self.factor = factor
        self.patience = checks.count(patience, where, "patience")
        self.verbose = checks.verbosity(verbose, type(self).__name__, "verbose")
        self.cooldown = checks.count(cooldown, where, "cooldown")
        self.min_lr = checks.not_negative(min_lr, where, "min_lr")
        self._start()

    def _start(self) -> None:
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        self._set_monitor_op()
        logs.update(rates(self.model.optimizer))
        current = self._value(logs)
        if current is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1  # `wait` is 0 since the rate was lowered, and does not count meanwhile
        if self._improves(current, self.best):
            self.best = current
            self.wait = 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, epoch: int) -> bool:
        """Lower what is not at its lowest; whether there was something."""
        high = [one for one in _each(self.model.optimizer) if one[0].learning_rate > np.float32(self.min_lr)]
        for optimizer, name in high:
            rate = max(float(optimizer.learning_rate) * self.factor, self.min_lr)
            optimizer.learning_rate = rate
            if self.verbose > 0:
                print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing {name}learning rate to {rate}.")
        return bool(high)
