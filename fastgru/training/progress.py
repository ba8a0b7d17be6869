"""What the user sees while a model works: a bar on a terminal, one line an epoch elsewhere, or nothing."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from fastgru import distribution
from fastgru.callbacks.progbar import Progbar

REFRESH_SECONDS = 0.1
NOTEBOOK_SECONDS = 0.25  # each drawing is a message to a browser
LEAST_BAR = 8
WIDEST_BAR = 30


def number(value: Any) -> str:
    """Four digits after the point, or an exponent where they would say nothing; of an array, as in Keras, the mean."""
    value = float(np.mean(value))
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"


def duration(seconds: float) -> str:
    """``0.42s``, ``3.4s``, ``75s``, ``4:05``, ``1:02:03``."""
    if seconds < 9.95:
        return f"{seconds:.2f}s" if seconds < 0.995 else f"{seconds:.1f}s"
    return whole_seconds(seconds)


def whole_seconds(seconds: float) -> str:
    """``7s``, ``75s``, ``4:05``, ``1:02:03``."""
    if seconds < 99.5:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class Progress:
    """Shows nothing; the base of what shows something.

    Whoever runs the loop calls `begin`, then `show` where the clock has passed `due`, then `trained` when the last
    batch is done and `end` with the final numbers. As a context manager it leaves the terminal in order.
    """

    due = math.inf

    def begin(self, title: str, steps: int | None) -> None:
        """A pass of `steps` batches starts, None where nobody knows how many."""

    def show(self, step: int, count: int, logs: Mapping[str, float]) -> None:
        """`step` batches with `count` samples are done."""

    def trained(self, step: int, count: int, logs: Mapping[str, float]) -> None:
        """The pass is over but for a validation; its time stops here."""

    def end(self, logs: Mapping[str, float]) -> None:
        """The pass and its validation are over."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


class Lines(Progress):
    """One line at the end of each pass."""

    def begin(self, title: str, steps: int | None) -> None:
        self.title, self.steps = title, steps
        self.started = time.perf_counter()
        self.seconds = self.rate = 0.0

    def trained(self, step: int, count: int, logs: Mapping[str, float]) -> None:
        self.seconds = time.perf_counter() - self.started
        self.rate = count / self.seconds if self.seconds else 0.0

    def end(self, logs: Mapping[str, float]) -> None:
        print(self.final(logs), flush=True)

    def final(self, logs: Mapping[str, float]) -> str:
        metrics = [f"{name}: {number(value)}" for name, value in logs.items()]
        return " - ".join([self.title, duration(self.seconds), f"{self.rate:,.0f} samples/s", *metrics])


class KerasLines(Progress):
    """The lines of Keras's ``verbose=2``: the number of the epoch where there are several, and one at its end."""

    def begin(self, title: str, steps: int | None) -> None:
        first, _, epochs = title.partition("/")
        if epochs not in ("", "1"):
            print(" ".join(f"{first}/{epochs}".split()), flush=True)
        self._bar, self._step = Progbar(steps, verbose=2, stateless_metrics=()), 0

    def trained(self, step: int, count: int, logs: Mapping[str, float]) -> None:
        self._step = step

    def end(self, logs: Mapping[str, float]) -> None:
        self._bar.target = self._bar.target or self._step
        self._bar.update(self._step, logs.items(), finalize=True)


class NotebookBar(Lines):
    """One output of a notebook's cell: a line for each pass that is over, and a bar that moves in the last.

    The output is replaced as a whole, which every notebook can; widgets, as rich wants them, need an extension.

    Parameters
    ----------
    stays : bool
        Whether the lines stay.
    """

    def __init__(self, stays: bool = True) -> None:
        self._stays = stays
        self._lines: list[str] = []
        self._handle: Any = None
        self._drawn = 0.0

    def begin(self, title: str, steps: int | None) -> None:
        super().begin(title, steps)
        self.due = self.started + NOTEBOOK_SECONDS

    def show(self, step: int, count: int, logs: Mapping[str, float]) -> None:
        elapsed = time.perf_counter() - self.started
        time_left, left = _time_left(elapsed, step, self.steps)
        done = WIDEST_BAR * step // self.steps if self.steps else 0
        bar = ["━" * done + "╌" * (WIDEST_BAR - done)] if self.steps else []
        entries = [f"{name} {number(value)}" for name, value in logs.items()]
        pace = f"{time_left}{left}", f"{count / elapsed:,.0f} samples/s"
        self._draw("  ".join([self.title, *bar, f"{step}/{self.steps or '?'}", *pace, *entries]))
        self.due = self._drawn + NOTEBOOK_SECONDS

    def trained(self, step: int, count: int, logs: Mapping[str, float]) -> None:
        super().trained(step, count, logs)
        self.due = math.inf

    def end(self, logs: Mapping[str, float]) -> None:
        if self._stays:
            self._lines.append(self.final(logs))
            if time.perf_counter() - self._drawn > NOTEBOOK_SECONDS:
                self._draw()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lines or self._handle is not None:
            self._draw()

    def _draw(self, *moving: str) -> None:
        from IPython.display import display  # there where a notebook is

        content = {"text/plain": "\n".join([*self._lines, *moving])}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
        self._drawn = time.perf_counter()


class Bar(Lines):
    """A bar that moves, and one line that stays for each pass.

    Parameters
    ----------
    stays : bool
        Whether the last line stays on the terminal.
    """

    def __init__(self, stays: bool = True) -> None:
        # deferred: rich takes a tenth of a second to load
        from rich.console import Console

        self._console = Console(highlight=False, soft_wrap=False)
        self._stays = stays
        self._live: Any = None

    def begin(self, title: str, steps: int | None) -> None:
        super().begin(title, steps)
        self.due = self.started + REFRESH_SECONDS

    def show(self, step: int, count: int, logs: Mapping[str, float]) -> None:
        elapsed = time.perf_counter() - self.started
        self.due = self.started + elapsed + REFRESH_SECONDS
        if self._live is None:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        time_left = _time_left(elapsed, step, self.steps)
        self._live.update(self._moving(step, *time_left, f"{count / elapsed:,.0f}", logs), refresh=True)

    def trained(self, step: int, count: int, logs: Mapping[str, float]) -> None:
        super().trained(step, count, logs)
        if self._live is not None:
            self.show(step, count, logs)
        self.due = math.inf

    def end(self, logs: Mapping[str, float]) -> None:
        self._stop()
        if self._stays:
            self._console.print(self._final(logs))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _moving(self, step: int, time: str, left: str, rate: str, logs: Mapping[str, float]) -> Any:
        """The line of a running pass: as much as the terminal is wide, the metrics below where it is narrow.

        Without a number of steps there is no bar, and the time is that which has passed.
        """
        from rich.text import Text

        width = self._console.width - 1  # a full line would wrap on some terminals
        columns = width - len(self.title) - 1 - (LEAST_BAR if self.steps else 0)
        total = str(self.steps or "?")
        paces = (f"{time}{left}  {rate} samples/s", f"{time}{left}  {rate}/s", f"{time}  {rate}/s", time)
        tails = [f" {step:>{len(total)}}/{total}  {pace}" for pace in paces]
        entries = [f"{name} {number(value)}" for name, value in logs.items()]
        beside, below = "  " + "  ".join(entries), ""
        tail = next((tail + beside for tail in tails if len(tail + beside) <= columns), None)
        if tail is None:
            tail = next((tail for tail in tails if len(tail) <= columns), tails[-1])
            below = "\n  " + "\n  ".join(rows(entries, width - 2))
        cells = max(0, min(WIDEST_BAR, width - len(self.title) - 1 - len(tail))) if self.steps else 0
        done = cells * step // self.steps if self.steps else 0
        return Text.assemble(
            (self.title, "bold"), " ", ("━" * done, "green"), ("━" * (cells - done), "bright_black"), tail, below
        )

    def _final(self, logs: Mapping[str, float]) -> Any:
        """The line that stays: each metric with its validation value beside it, more lines on a narrow terminal."""
        from rich.text import Text

        metrics = []
        for name, value in logs.items():
            if name.startswith("val_") and name.removeprefix("val_") in logs:
                continue
            validation = logs.get(f"val_{name}")
            metrics.append(f"{name} {number(value)}" + ("" if validation is None else f" (val {number(validation)})"))
        columns = self._console.width - 1 - len(self.title) - 2
        seconds, rate = duration(self.seconds), f"{self.rate:,.0f} samples/s"
        lines = rows([seconds, rate, *metrics], columns)
        if len(lines) > 1:
            lines = min(lines, rows([seconds, *metrics], columns), key=len)
        indent = "\n" + " " * (len(self.title) + 2)
        return Text.assemble((self.title, "bold"), "  ", indent.join(lines))


def _time_left(elapsed: float, step: int, steps: int | None) -> tuple[str, str]:
    """The time that is left, or has passed where nobody knows how many steps there are; and the word for it."""
    if steps is None:
        return f"{whole_seconds(elapsed):>3}", ""
    return f"{whole_seconds(elapsed / step * (steps - step)):>3}", " left"


def rows(entries: Iterable[str], width: int) -> list[str]:
    """Entries side by side, in as few lines of a width as they take."""
    lines: list[str] = []
    for entry in entries:
        if lines and len(lines[-1]) + 2 + len(entry) <= width:
            lines[-1] += "  " + entry
        else:
            lines.append(entry)
    return lines


def progress(verbose: Any, lasting: bool = True) -> Progress:
    """What `verbose` asks for: 0 nothing, 1 a bar, 2 Keras's lines, "auto" a bar on a terminal and a line elsewhere.

    In a notebook, which shows neither, both are an output that changes.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
    lasting : bool
        Whether the numbers at the end are worth a line; without, "auto" shows a bar on a terminal or in a notebook
        while it lasts and nothing elsewhere.
    """
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f'verbose: expected "auto", 0, 1 or 2, got {verbose!r}.')
    if not distribution.is_first():
        return Progress()
    # mpirun hands its processes a terminal, whatever its own output goes to
    terminal = sys.stdout is not None and sys.stdout.isatty() and distribution.size() == 1
    if verbose in ("auto", 1) and terminal:
        return Bar(stays=lasting)
    if verbose in ("auto", 1) and type(sys.stdout).__module__ == "ipykernel.iostream":
        return NotebookBar(stays=lasting)
    if verbose == 0 or (verbose == "auto" and not lasting):
        return Progress()
    return KerasLines() if verbose == 2 else Lines()
