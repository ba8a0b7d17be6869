"""Keras's progress bar, for loops of one's own: `fit`, `evaluate` and `predict` have a display of theirs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fastgru.callbacks.callback import Callback, Logs
from fastgru.text import number

__all__ = ["Progbar", "ProgbarLogger"]


class Progbar:
    """A bar with numbers, on standard output.

    Parameters
    ----------
    target : int, optional
        Number of steps; None where it is not known.
    width : int
        Of the bar.
    verbose : {0, 1, 2}
        0 shows nothing, 1 a bar that moves, 2 one line at the end.
    interval : float
        Least seconds between two updates of the bar.
    stateful_metrics, stateless_metrics : iterable of str, optional
        Names whose last value is shown, all others averaged over the steps; or names that are averaged, all others not.
        Only one of the two; where neither is given, all are averaged.
    unit_name : str
        What a step is called.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar: only one of stateful_metrics and stateless_metrics can be set.")
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit_name = interval, unit_name
        self.stateful_metrics = None if stateful_metrics is None else set(stateful_metrics)
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._done = 0
        self._sums: dict[str, tuple[float, int]] = {}  # of values, and of steps
        self._began = time.perf_counter()
        self._shown = -interval
        self._length = 0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show that so many steps are done.

        Parameters
        ----------
        current : int
        values : iterable of (str, float), optional
            Names and their values of the last step.
        finalize : bool, optional
            Whether this is the last update; where absent, whether the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        steps, self._done = max(current - self._done, 1), current
        for name, value in values or ():
            mean = float(np.mean(value))
            if finalize or not self._is_averaged(name):
                self._sums[name] = mean, 1
            else:
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = total + mean * steps, count + steps
        seconds = time.perf_counter() - self._began
        if self.verbose == 1 and (finalize or seconds - self._shown >= self.interval):
            self._shown = seconds
            self._draw(self._bar(current, seconds, finalize), finalize)
        elif self.verbose == 2 and finalize and self.target:
            print(f"{self._count(current)} - {seconds:.0f}s - {self._rest(current, seconds)}", flush=True)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._done + n, values)

    def _is_averaged(self, name: str) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in (self.stateful_metrics or ())

    def _bar(self, current: int, seconds: float, finalize: bool) -> str:
        if not self.target:
            return f"{current:7d}/Unknown {seconds:.0f}s {self._rest(current, seconds)}"
        cells = int(self.width * min(1.0, current / self.target))
        bar = "━" * cells + " " * (self.width - cells)
        left = seconds if finalize else seconds / max(1, current) * (self.target - current)
        return f"{self._count(current)} {bar} {left:.0f}s {self._rest(current, seconds)}"

    def _count(self, current: int) -> str:
        return f"{current:{len(str(self.target))}d}/{self.target}"

    def _rest(self, current: int, seconds: float) -> str:
        """The time of a step, and the numbers."""
        each = seconds / max(1, current)
        pace = f"{each:.0f}s" if each >= 1 else f"{each * 1e3:.0f}ms" if each >= 1e-3 else f"{each * 1e6:.0f}us"
        numbers = [f"{name}: {number(total / count)}" for name, (total, count) in self._sums.items()]
        return " - ".join([f"{pace}/{self.unit_name}", *numbers])

    def _draw(self, line: str, finalize: bool) -> None:
        """Put a line in the place of the one before."""
        sys.stdout.write("\r" + line.ljust(self._length) + "\n" * finalize)
        sys.stdout.flush()
        self._length = len(line)


class ProgbarLogger(Callback):
    """Shows a `Progbar` for each epoch.

    For a `CallbackList` in a loop of one's own. In `fit`, `evaluate` and `predict` it shows nothing: their display is
    there already, by `verbose`.
    """

    def __init__(self) -> None:
        self.verbose, self.epochs = 1, 1
        self.target: int | None = None
        self.progbar: Progbar | None = None
        self._seen = 0
        self._is_in_fit = False

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        super().set_params(params)
        options = params or {}
        verbose = options.get("verbose", 1)
        self.verbose = 1 if verbose == "auto" else verbose
        self.epochs, self.target = options.get("epochs", 1), options.get("steps")

    def on_train_begin(self, logs: Logs = None) -> None:
        self._is_in_fit = True  # where validation shows nothing

    def on_train_end(self, logs: Logs = None) -> None:
        self._is_in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._begin()
        if self.verbose and self.epochs > 1:
            print(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._update(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._end(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._is_in_fit:
            self._begin()

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        if not self._is_in_fit:
            self._update(batch, logs)

    def on_test_end(self, logs: Logs = None) -> None:
        if not self._is_in_fit:
            self._end(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._begin()

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._update(batch, None)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._end(None)

    def _begin(self) -> None:
        self.progbar = Progbar(self.target, verbose=self.verbose, stateless_metrics=())

    def _update(self, batch: int, logs: Logs) -> None:
        if self.progbar is not None and self.verbose == 1:
            self.progbar.update(batch + 1, (logs or {}).items(), finalize=False)
        self._seen = batch + 1

    def _end(self, logs: Logs) -> None:
        if self.progbar is not None:
            if self.target is None:  # now it is known
                self.target = self.progbar.target = self._seen
            self.progbar.update(self.target, (logs or {}).items(), finalize=True)
