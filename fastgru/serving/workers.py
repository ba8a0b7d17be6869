"""Several processes that answer on one socket: forked behind the loading of the models, whose memory they share."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from prometheus_client import multiprocess

__all__ = ["Workers", "until_closed"]

logger = logging.getLogger("fastgru.serving")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_YOUNG_SECONDS = 1.0  # a worker that ends sooner is started again no sooner than this
_LATE_SECONDS = 5.0  # behind the end of what is in flight


class _Interrupted(BaseException):
    """The service is to end."""


class Workers:
    """Worker processes, and the loop of the process that looks after them, which answers no request itself.

    Parameters
    ----------
    count : int
    work : callable
        What the worker of a number does until a SIGTERM; called in a forked child with the number and the end of a pipe
        that closes when this process ends.
    changed : callable
        Called about once in `seconds`, and with True on a SIGHUP; where it returns True all workers get a SIGHUP. It
        readies what the next child shares.
    seconds : float or None
    end_seconds : float
        For the workers to end.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[int, int], None],
        changed: Callable[[bool], bool],
        seconds: float | None,
        end_seconds: float,
    ) -> None:
        self._count = count
        self._work = work
        self._changed = changed
        self._seconds = seconds
        self._end_seconds = end_seconds
        self._numbers: dict[int, int] = {}  # by process
        self._due: dict[int, float] = {}  # workers to start, and when
        self._began: dict[int, float] = {}
        self._alive = os.pipe()
        self._is_looking = False

    def run(self) -> None:
        """Keep the workers running until SIGTERM or SIGINT, then end them.

        Raises
        ------
        KeyboardInterrupt
            Behind that, if it was SIGINT.
        """
        with _wakeups() as (wait, forked):
            self._forked = forked
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._interrupt)
            self._due = dict.fromkeys(range(self._count), 0.0)
            while True:
                self._start_due()
                signals = wait(self._pause())
                self._reap()
                if signals & {signal.SIGTERM, signal.SIGINT}:
                    break
                is_asked = signal.SIGHUP in signals
                if (is_asked or self._seconds is not None) and self._look(is_asked):
                    self._tell(signal.SIGHUP)
            self._end(wait)
        if signal.SIGINT in signals:
            raise KeyboardInterrupt

    def _look(self, is_asked: bool) -> bool:
        """What `changed` says, which may read for long: a signal to end interrupts it."""
        try:
            try:
                self._is_looking = True
                return self._changed(is_asked)
            finally:
                self._is_looking = False
        except _Interrupted:
            return False

    def _interrupt(self, *_: object) -> None:
        if self._is_looking:
            raise _Interrupted

    def _pause(self) -> float | None:
        until_due = [max(0.0, due - time.monotonic()) for due in self._due.values()]
        return min([*until_due, *([] if self._seconds is None else [self._seconds])], default=None)

    def _start_due(self) -> None:
        for number in [number for number, due in self._due.items() if due <= time.monotonic()]:
            del self._due[number]
            gc.unfreeze()  # what a reload has replaced since the last start is garbage
            gc.collect()
            gc.freeze()  # a collection in a child would write to the pages of all that was there before
            child = os.fork()
            if not child:
                self._child(number)
            self._numbers[child] = number
            self._began[number] = time.monotonic()

    def _child(self, number: int) -> NoReturn:
        status = 1
        try:
            self._forked()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is a handler
            os.close(self._alive[1])
            self._work(number, self._alive[0])
            status = 0
        except KeyboardInterrupt:
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        """Take leave of workers that have ended, and have them started again."""
        while self._numbers:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            number = self._numbers.pop(child, None)
            if number is None:
                continue
            multiprocess.mark_process_dead(child)
            code = os.waitstatus_to_exitcode(status)
            now, began = time.monotonic(), self._began[number]
            self._due[number] = max(now, began + _YOUNG_SECONDS)
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
            logger.warning("Worker %d (process %d) ended %s and is started again.", number, child, how)

    def _tell(self, number: signal.Signals) -> None:
        for child in self._numbers:
            with suppress(ProcessLookupError):
                os.kill(child, number)

    def _end(self, wait: Callable[[float | None], set[int]]) -> None:
        deadline = time.monotonic() + self._end_seconds + _LATE_SECONDS
        while self._numbers and (left := deadline - time.monotonic()) > 0:
            self._tell(signal.SIGTERM)  # once more to one that had no handler yet, which is nothing to the others
            wait(min(left, 1.0))
            self._take_ended()
        self._tell(signal.SIGKILL)
        while self._numbers:
            self._take_ended(0)

    def _take_ended(self, options: int = os.WNOHANG) -> None:
        while self._numbers and (child := os.waitpid(-1, options)[0]):
            self._numbers.pop(child, None)


@contextmanager
def _wakeups() -> Iterator[tuple[Callable[[float | None], set[int]], Callable[[], None]]]:
    """A function that waits so many seconds for signals, and one that a forked child calls to be without all this."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def wait(seconds: float | None) -> set[int]:
        select.select([reader], [], [], seconds)
        try:
            return set(reader.recv(4096))
        except BlockingIOError:
            return set()

    def leave() -> None:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()

    try:
        yield wait, leave
    finally:
        leave()


async def until_closed(pipe: int) -> None:
    """End this process as by SIGTERM when nobody holds the other end of a pipe any more."""
    loop, closed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe, closed.set)
    try:
        await closed.wait()
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        loop.remove_reader(pipe)
