"""Keras's progress bar, for loops that a program writes itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["Progbar"]

BOLD, GREEN, WHITE, PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"


class Progbar:
    """A bar on one line with the time that is left, and means of numbers.

    Parameters
    ----------
    target : int or None
        Number of steps, where it is known.
    width : int
        Of the bar, in characters.
    verbose : {0, 1, 2}
        Nothing, a bar, or a line at the end.
    interval : float
        Seconds between two looks of it, at least.
    stateful_metrics, stateless_metrics : iterable of str, optional
        Names of numbers that are shown as they are, or of those of which the mean is: all, where neither is set.
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
            raise ValueError("Progbar: Only one of `stateful_metrics` or `stateless_metrics` can be provided.")
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics = None if stateful_metrics is None else set(stateful_metrics)
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, tuple[Any, int]] = {}  # with how many steps they are of
        self._seen = 0
        self._started = time.time()
        self._shown = 0.0
        self._first_step_ended: float | None = None
        self._shown_width = 0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show that so many steps are done.

        Parameters
        ----------
        current : int
        values : list of (str, float), optional
            Numbers of the steps since the last call.
        finalize : bool, optional
            Whether it is the last call; where absent, whether the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        steps = max(current - self._seen, 1)
        for name, value in values or ():
            if finalize or not self._is_averaged(name):
                self._sums[name] = value, 1
            else:
                total, count = self._sums.get(name, (0, 0))
                self._sums[name] = total + value * steps, count + steps
        self._seen = current
        now = time.time()
        step_seconds = self._step_seconds(current, now)
        if self.verbose == 1 and (finalize or now - self._shown >= self.interval):
            self._show_bar(current, now, step_seconds, finalize)
            self._shown = now
        elif self.verbose == 2 and finalize and self.target:
            done = f"{current:{len(str(self.target))}d}/{self.target}"
            info = f"{done} - {now - self._started:.0f}s -{self._per_step(step_seconds)}{self._metrics()}\n"
            self._write(info)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` steps more are done."""
        self.update(self._seen + n, values)

    def _is_averaged(self, name: str) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in (self.stateful_metrics or ())

    def _step_seconds(self, current: int, now: float) -> float:
        """Of one step; without the first, which takes longer than the others."""
        if not current:
            return 0.0
        first_ended = self._first_step_ended
        if current == 1:
            self._first_step_ended = now
        if first_ended is not None and current > 1:
            return (now - first_ended) / (current - 1)
        return (now - self._started) / current

    def _show_bar(self, current: int, now: float, step_seconds: float, finalize: bool) -> None:
        if self.target:
            digits = len(str(self.target))
            filled = int(self.width * current / self.target)
            parts = [(BOLD, f"{current:{digits}d}/{self.target}"), ("", " ")]
            parts += [(GREEN, "━" * filled)] * bool(filled)
            parts += [(WHITE, "━" * (self.width - filled))]
        else:
            parts = [("", f"{current:7d}/Unknown")]
        if self.target and not finalize:
            clock = _remaining(step_seconds * (self.target - current))
        else:
            clock = f"{now - self._started:.0f}s"
        parts += [("", " "), (BOLD, clock), ("", self._per_step(step_seconds) + self._metrics())]
        width = sum(len(text) for _, text in parts)
        padding = " " * max(0, self._shown_width - width)
        line = "".join(f"{style}{text}{PLAIN}" if style else text for style, text in parts)
        self._write(f"\r{line}{padding}" + "\n" * finalize)
        self._shown_width = width

    def _per_step(self, seconds: float) -> str:
        if seconds >= 1 or seconds == 0:
            return f" {seconds:.0f}s/{self.unit_name}"
        if seconds >= 1e-3:
            return f" {seconds * 1e3:.0f}ms/{self.unit_name}"
        return f" {seconds * 1e6:.0f}us/{self.unit_name}"

    def _metrics(self) -> str:
        means = {name: float(np.mean(total)) / max(1, count) for name, (total, count) in self._sums.items()}
        return "".join(
            f" - {name}: {mean:.4f}" if abs(mean) > 1e-3 else f" - {name}: {mean:.4e}" for name, mean in means.items()
        )

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _remaining(seconds: float) -> str:
    """``7s``, ``4:05``, ``1:02:03``."""
    if seconds <= 60:
        return f"{int(seconds)}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
