"""Ctrl-C between two batches instead of in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupt", "held_back"]


class Interrupt:
    """Notes a Ctrl-C; the second is a KeyboardInterrupt at once.

    Attributes
    ----------
    pending : bool
        Whether there was one that nobody has heeded.
    """

    def __init__(self) -> None:
        self.pending = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt
        self.pending = True

    def heed(self) -> None:
        """Raise the KeyboardInterrupt that is pending."""
        self.pending = False
        raise KeyboardInterrupt


@contextmanager
def held_back() -> Iterator[Interrupt]:
    """Inside, a Ctrl-C is only noted, for whoever runs the loop to `heed` it.

    Only where Python's own handler is in force, and in the main thread, which alone gets signals: a handler of the
    user's stays. A training in the middle of another heeds the same.
    """
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, Interrupt):
        yield handler
        return
    interrupt = Interrupt()
    if handler is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, handler)
    if interrupt.pending:  # it came behind the last batch
        interrupt.heed()
