"""Callbacks that watch a number of the logs."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path
from typing import Any

from fastgru import checks
from fastgru.callbacks.callback import Callback, Logs

__all__ = ["EarlyStopping", "ModelCheckpoint", "Monitor", "TerminateOnNaN"]


class Monitor(Callback):
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

    Attributes
    ----------
    monitor_op : callable or None
        `ops.less` or `ops.greater`, known once an epoch is over.
    """

    monitor_op: Any = None

    def __init__(self, monitor: str, mode: str, best: float | None = None, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__} mode {mode!r} is unknown; taking 'auto'.", stacklevel=3)
            mode = "auto"
        where = type(self).__name__
        self.monitor = checks.text(monitor, type(self).__name__, "monitor")
        self.mode = mode
        self.best = best if best is None else checks.number(best, where, "initial_value_threshold")
        self.min_delta = abs(checks.number(min_delta, where, "min_delta"))

    def _set_monitor_op(self) -> None:
        """Settle which way is better, as Keras has it; a ValueError where that cannot be told."""
        smaller_is_better = self._smaller_is_better()
        if self.monitor_op is None:
            from fastgru import ops  # deferred: for whoever looks at the attribute

            self.monitor_op = ops.less if smaller_is_better else ops.greater

    def _improves(self, value: float, reference: float | None) -> bool:
        smaller_is_better = self._smaller_is_better()
        if reference is None:
            return True
        return value + self.min_delta < reference if smaller_is_better else value - self.min_delta > reference

    def _smaller_is_better(self) -> bool:
        if self.mode != "auto":
            return self.mode == "min"
        name = self.monitor.removeprefix("val_")
        listed = [getattr(entry, "metrics", [entry]) for entry in getattr(self.model, "metrics", [])]
        directions = {metric.name: metric.direction for metrics in listed for metric in metrics}
        direction = "down" if name == "loss" else directions.get(name)
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


class EarlyStopping(Monitor):
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

    state_names = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")

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
        where = type(self).__name__
        self.patience = checks.count(patience, where, "patience")
        self.verbose = checks.verbosity(verbose, type(self).__name__, "verbose")
        self.baseline = baseline if baseline is None else checks.number(baseline, where, "baseline")
        self.restore_best_weights = checks.flag(restore_best_weights, type(self).__name__, "restore_best_weights")
        self.start_from_epoch = checks.count(start_from_epoch, where, "start_from_epoch")
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
        self._set_monitor_op()
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


class ModelCheckpoint(Monitor):
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

    writes = True
    state_names = ("best", "_epoch", "_unsaved_batches")

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
        self.verbose = checks.verbosity(verbose, type(self).__name__, "verbose")
        self.save_best_only = checks.flag(save_best_only, type(self).__name__, "save_best_only")
        self.save_weights_only = checks.flag(save_weights_only, type(self).__name__, "save_weights_only")
        self.save_freq = save_freq
        self._epoch = 0
        self._unsaved_batches = 0
        if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq < 1):
            raise ValueError(
                "ModelCheckpoint: Unrecognized save_freq, expected 'epoch' or a number of batches of at least 1, "
                f"got {save_freq!r}."
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
        self._set_monitor_op()
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if not self._is_due(epoch, logs, path):
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

    def _is_due(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        """Whether to save now: always, or where the number has improved, which is then the best so far."""
        current = self._value(logs) if self.save_best_only else None
        if current is None:
            is_due, message = True, f"saving model to {path}"
        else:
            best = "None" if self.best is None else f"{self.best:.5f}"
            is_due, message = self._improves(current, self.best), f"{self.monitor} did not improve from {best}"
            if is_due:
                message = f"{self.monitor} improved from {best} to {current:.5f}, saving model to {path}"
                self.best = current
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: {message}")
        return is_due


class TerminateOnNaN(Callback):
    """Ends the training when the loss is NaN or infinite, or raises a RuntimeError there with `raise_error`."""

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = checks.flag(raise_error, type(self).__name__, "raise_error")

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"TerminateOnNaN: NaN or Inf loss encountered at batch {batch}: {loss}.")
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
