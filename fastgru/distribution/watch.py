"""What a process says, and does in the end, while it waits for others that do not come."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["TIMEOUT", "Watch"]

PATIENCE = 60.0  # seconds after which a process says that it waits for the others
TIMEOUT = 1800.0  # seconds after which it ends all, as torch.distributed does


class Watch:
    """A thread that looks whether the process has come back from its talk with the others.

    Parameters
    ----------
    name : str
        How the process is called in sentences.
    timeout : float
        Seconds.
    end : callable
        Ends all processes, called from the thread.
    """

    def __init__(self, name: str, timeout: float, end: Callable[[], None]) -> None:
        self._name, self._timeout, self._end = name, timeout, end
        self._talk: tuple[str, float] | None = None  # where, and since when
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="fastgru-ranks", daemon=True)
        self._thread.start()

    @contextmanager
    def over(self, where: str) -> Iterator[None]:
        """Inside, the process talks with the others."""
        before, self._talk = self._talk, self._talk or (where, time.monotonic())
        try:
            yield
        finally:
            self._talk = before

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        said = None
        while not self._is_over.wait(min(1.0, PATIENCE / 3, self._timeout / 3)):
            talk = self._talk
            if talk is None:
                continue
            where, since = talk
            seconds = time.monotonic() - since
            if seconds > self._timeout:
                self._say(
                    f"{where}: {self._name} has waited {self._timeout:.0f} s for the other ranks, and ends all; give "
                    "DataParallel a longer timeout where one of them has so much to do alone."
                )
                self._end()
            elif seconds > PATIENCE and talk is not said:
                said = talk
                self._say(
                    f"{where}: {self._name} has waited {PATIENCE:.0f} s for the other ranks, and waits on for at most "
                    f"{self._timeout:.0f} s; under DataParallel every rank calls it, in the same order."
                )

    def _say(self, sentence: str) -> None:
        print(f"fastgru: {sentence}", file=sys.stderr, flush=True)
