"""Keras's callbacks: objects that `fit`, `evaluate` and `predict` call at fixed moments.

Epochs and batches are counted from 0; `logs` maps the names of the loss and the metrics to numbers.
"""

from __future__ import annotations

import csv
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

Logs = dict[str, Any] | None


class Callback:
    """Base of all callbacks; every method does nothing until a subclass writes it.

    Attributes
    ----------
    params : dict or None
        What the run is: verbose, epochs, steps.
    model
        The model that runs. ``model.stop_training = True`` ends the training after the batch or epoch at hand.
    """

    params: Mapping[str, Any] | None = None
    _model: Any = None

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        """Called once before the run."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called once before the run."""
        self._model = model

    @property
    def model(self) -> Any:
        return self._model

    def on_train_begin(self, logs: Logs = None) -> None: ...

    def on_train_end(self, logs: Logs = None) -> None: ...

    def on_test_begin(self, logs: Logs = None) -> None: ...

    def on_test_end(self, logs: Logs = None) -> None: ...

    def on_predict_begin(self, logs: Logs = None) -> None: ...

    def on_predict_end(self, logs: Logs = None) -> None: ...

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None: ...

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None: ...

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None: ...

    def on_batch_end(self, batch: int, logs: Logs = None) -> None: ...

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None: ...

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None: ...

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None: ...

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None: ...


class History(Callback):
    """The numbers of every epoch; `fit` returns one.

    Attributes
    ----------
    history : dict
        For each name in the logs a list with one number for each epoch.
    epoch : list of int
    """

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self


class CallbackList(Callback):
    """Several callbacks that are called as one, for training loops of your own.

    Parameters
    ----------
    callbacks : iterable of Callback, optional
    add_history : bool
        Add a `History` where there is none.
    model
        Handed to the callbacks, with `params`.
    **params
    """

    def __init__(
        self, callbacks: Iterable[Callback] | None = None, add_history: bool = False, model: Any = None, **params: Any
    ) -> None:
        self.callbacks = list(callbacks or [])
        if add_history and not any(isinstance(callback, History) for callback in self.callbacks):
            self.callbacks.append(History())
        for name in [name for name in dir(Callback) if name.startswith("on_")]:
            setattr(self, name, self._all(name))
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def _all(self, name: str) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            for callback in self.callbacks:
                getattr(callback, name)(*args, **kwargs)

        return call


class LambdaCallback(Callback):
    """A callback made of functions, given under the names of the methods: ``LambdaCallback(on_epoch_end=f)``."""

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        self.__dict__.update((name, value) for name, value in given.items() if value is not None)


class _Monitor(Callback):
    """Watches one number of the logs.

    Parameters
    ----------
    monitor : str
        Its name, such as "val_loss".
    mode : {"auto", "min", "max"}
        Which way is better; "auto" knows it for losses and fastgru's metrics.
    best : float, optional
        To be improved on first.
    min_delta : float
        An improvement by no more than this is none.
    """

    def __init__(self, monitor: str, mode: str, best: float | None = None, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__}: mode {mode!r} is unknown; taking 'auto'.", stacklevel=3)
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = best
        self.min_delta = abs(min_delta)

    def _improves(self, value: float, reference: float | None) -> bool:
        smaller_is_better = self._smaller_is_better()
        if reference is None:
            return True
        return value + self.min_delta < reference if smaller_is_better else value - self.min_delta > reference

    def _smaller_is_better(self) -> bool:
        if self.mode != "auto":
            return self.mode == "min"
        name = self.monitor.removeprefix("val_")
        directions = {metric.name: metric.direction for metric in getattr(self.model, "metrics", [])}
        direction = directions.get(name, "down" if name == "loss" else None)
        if direction is None:
            raise ValueError(
                f"{type(self).__name__}: cannot tell whether {self.monitor!r} should grow or shrink; "
                "give mode='max' or mode='min'."
            )
        return direction == "down"

    def _value(self, logs: Logs) -> Any:
        """The watched number; a warning and None where the logs do not have it."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            names = ", ".join(logs or {}) or "none"
            warnings.warn(f"{type(self).__name__}: {self.monitor!r} is not in the logs; there: {names}.", stacklevel=3)
        return value


class EarlyStopping(_Monitor):
    """Ends the training when a number has stopped improving.

    Parameters
    ----------
    monitor, mode
        What to watch and which way is better ("auto", "min", "max").
    min_delta : float
        An improvement by no more than this is none.
    patience : int
        Epochs without improvement after which the training ends.
    verbose : int
        1 says so.
    baseline : float, optional
        Improvements count only beyond it.
    restore_best_weights : bool
        Put the weights of the best epoch back at the end.
    start_from_epoch : int
        Watch from this epoch on.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._start()

    def _start(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_weights: Any = None
        self.best_epoch = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        current = self._value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        improved = self._improves(current, self.best)
        if improved:
            self.best = current
            self.best_epoch = epoch
        if self.restore_best_weights and (improved or self.best_weights is None):
            self.best_weights = self.model.get_weights()
        self.wait += 1
        if improved:
            if self.baseline is None or self._improves(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(_Monitor):
    """Saves the model, or its weights, as the training goes.

    Parameters
    ----------
    filepath : str or path
        May contain ``{epoch}``, ``{batch}`` and names of the logs, such as ``{val_loss:.2f}``. Ends in ``.weights.h5``
        for weights, in ``.keras`` or ``.h5`` for a model.
    monitor, mode
        What to watch and which way is better ("auto", "min", "max").
    verbose : int
        1 says what is saved.
    save_best_only : bool
        Save only where the watched number has improved.
    save_weights_only : bool
    save_freq : "epoch" or int
        After every epoch, or after so many batches.
    initial_value_threshold : float, optional
        The number to improve on first.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._epoch = 0
        self._unsaved_batches = 0
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(
                f"ModelCheckpoint: expected 'epoch' or a number of batches as save_freq, got {save_freq!r}."
            )
        endings = (".weights.h5",) if save_weights_only else (".keras", ".h5")
        if not self.filepath.endswith(endings):
            raise ValueError(
                f"ModelCheckpoint: expected a filepath that ends in {' or '.join(endings)} "
                f"(save_weights_only={save_weights_only}), got {self.filepath!r}."
            )

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if isinstance(self.save_freq, int):
            self._unsaved_batches += 1
            if self._unsaved_batches >= self.save_freq:
                self._unsaved_batches = 0
                self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if not self._wanted(epoch, logs, path):
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path, overwrite=True)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        numbers = {"epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format(**numbers)
        except KeyError as error:
            raise KeyError(f"ModelCheckpoint: {self.filepath!r} names {error}; known: {', '.join(numbers)}.") from None

    def _wanted(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        current = self._value(logs) if self.save_best_only else None
        if current is None:
            message = f"saving model to {path}"
            wanted = True
        else:
            best = "None" if self.best is None else f"{self.best:.5f}"
            wanted = self._improves(current, self.best)
            message = f"{self.monitor} did not improve from {best}"
            if wanted:
                message = f"{self.monitor} improved from {best} to {current:.5f}, saving model to {path}"
                self.best = current
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: {message}")
        return wanted


class ReduceLROnPlateau(_Monitor):
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
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: expected a factor less than 1, got {factor}.")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._start()

    def _start(self) -> None:
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        logs = {} if logs is None else logs
        logs["learning_rate"] = optimizer.learning_rate
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
            if self.wait >= self.patience and optimizer.learning_rate > np.float32(self.min_lr):
                rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                optimizer.learning_rate = rate
                self.cooldown_counter = self.cooldown
                self.wait = 0
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")


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
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, optimizer.learning_rate)
        except TypeError:
            rate = self.schedule(epoch)
        if not isinstance(rate, float | np.floating):
            raise ValueError(f"LearningRateScheduler: expected a float from the schedule, got {rate!r}.")
        optimizer.learning_rate = rate
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class CSVLogger(Callback):
    """Writes the numbers of each epoch as one line of a CSV file.

    Parameters
    ----------
    filename : str or path
    separator : str
    append : bool
        Go on with an existing file instead of writing it anew.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self._file: TextIO | None = None
        self._writer: Any = None
        self._with_header = True

    def on_train_begin(self, logs: Logs = None) -> None:
        self._close()
        path = Path(self.filename)
        self._with_header = not (self.append and path.is_file() and path.stat().st_size > 0)
        self._file = path.open("a" if self.append else "w", newline="")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        assert self._file is not None
        logs = logs or {}
        if self._writer is None:
            names = sorted(logs)
            if not any(name.startswith("val_") for name in names):
                # the first epochs may be without validation
                names += [f"val_{name}" for name in names]
            self._writer = csv.DictWriter(
                self._file, ["epoch", *names], restval="NA", extrasaction="ignore", delimiter=self.sep
            )
            if self._with_header:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **{name: _cell(value) for name, value in logs.items()}})
        self._file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None


def _cell(value: Any) -> Any:
    several = not isinstance(value, str) and np.ndim(value) > 0
    return f'"[{", ".join(map(str, value))}]"' if several else value


class TerminateOnNaN(Callback):
    """Ends the training when the loss is NaN or infinite, or raises a RuntimeError there with `raise_error`."""

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"TerminateOnNaN: the loss is {loss} at batch {batch}.")
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
