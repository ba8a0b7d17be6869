"""Requests that come at the same time run as one batch, in a thread beside the event loop where that takes a while."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from queue import SimpleQueue
from time import perf_counter, thread_time
from typing import Any

from fastgru.serving.refusal import Refusal

__all__ = ["Gatherer"]

END_SECONDS = 1.0  # for a batch whose requests have been given up
# Of a batch: to hand it to the thread and its answers back takes 0.1 ms of processors' time, where both threads want
# Python's lock, and what is computed there finds cold caches and takes up to as much more.
HANDING_SECONDS = 1e-4
# The same where nobody else asks, and the event loop would stand still meanwhile: two threads are woken one after the
# other then, on processors that have gone to sleep. Somebody who comes in the middle is read so much later.
LONE_SECONDS = 1e-3


class _Job:
    """One request in the queue: `key` is equal for those that can run together."""

    __slots__ = ("answer", "has_begun", "key", "payload", "rows")

    def __init__(self, key: Hashable, rows: int, payload: Any, answer: asyncio.Future[Any]) -> None:
        self.key, self.rows, self.payload, self.answer = key, rows, payload, answer
        self.has_begun = False


class Gatherer:
    """A queue, and the thread that works it off in batches.

    While a batch runs, the requests that come are gathered, and are the next one; to one with nobody beside nothing is
    added but what the event loop has read already. A batch like the last one, which took less than handing it over
    would, runs in the event loop's thread.

    Parameters
    ----------
    compute : callable
        A list of payloads of one key to the list of their answers. A ValueError is that of one of them: each is then
        computed alone.
    rows : int
        Of a batch, at most; a request of more runs alone.
    delay : float
        Seconds until the first of a queue runs, where the last batch says that there are more to come.
    capacity : int
        Of the queue, in requests.
    ran : callable
        Called in the event loop with the number of requests and of rows of each batch, and the seconds it took.

    Notes
    -----
    All of it but `_work` runs in the event loop's thread, and needs no lock. One batch runs at a time, in whichever
    thread.
    """

    def __init__(
        self,
        compute: Callable[[list[Any]], Sequence[Any]],
        rows: int,
        delay: float,
        capacity: int,
        ran: Callable[[int, int, float], object],
    ) -> None:
        self._compute = compute
        self._rows = rows
        self._delay = delay
        self._capacity = capacity
        self._ran = ran
        self._jobs: deque[_Job] = deque()
        self._is_busy = False
        self._company = 1  # how many requests stood in the queue when the last batch was taken from it
        # the key of the last batch, its rows (at least 1), the seconds that its thread computed, and those it took
        self._last: tuple[Hashable, int, float, float] = None, 1, 0.0, 0.0
        self._flush: asyncio.Handle | None = None
        self._batches: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """How many requests have not begun to run."""
        return len(self._jobs)

    def start(self, name: str) -> None:
        """Begin to work, in the running event loop: behind a fork, which no thread outlives."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End the thread behind the batch that it is at, if that ends soon; what is in the queue is refused."""
        for job in self._jobs:
            if not job.answer.done():
                job.answer.set_exception(Refusal(503, "the service ends."))
        self._jobs.clear()
        if self._thread is not None:
            self._batches.put(None)
            await self._loop.run_in_executor(None, self._thread.join, END_SECONDS)
            self._thread = None

    async def submit(
        self, key: Hashable, rows: int, payload: Any, seconds: float | None, changes_something: bool = False
    ) -> Any:
        """The answer to one request.

        One that changes something is answered however late where it has begun: who is told that there is no answer
        knows that nothing has happened. One of no `seconds` must happen, however full the queue is and late it is.

        Raises
        ------
        Refusal
            The queue is full, or there is no answer after so many seconds.
        """
        if seconds is not None and len(self._jobs) >= self._capacity:
            raise Refusal(429, f"{self._capacity} requests are in the queue; ask again later.", (b"retry-after", b"1"))
        job = _Job(key, rows, payload, self._loop.create_future())
        self._jobs.append(job)
        if not self._is_busy:
            self._schedule()
        if seconds is None:
            return await job.answer
        timer = self._loop.call_later(seconds, _expire, job, seconds, changes_something)
        try:
            return await job.answer
        finally:
            timer.cancel()

    def _schedule(self) -> None:
        """Take a batch as soon as there is reason to think that nobody else comes."""
        if self._flush is None:
            if self._delay and self._company > len(self._jobs):
                self._flush = self._loop.call_later(self._delay, self._take)
            else:
                self._flush = self._loop.call_soon(self._take)
        elif isinstance(self._flush, asyncio.TimerHandle) and self._is_complete():
            self._flush.cancel()
            self._flush = self._loop.call_soon(self._take)

    def _is_complete(self) -> bool:
        return len(self._jobs) >= self._company or sum(job.rows for job in self._jobs) >= self._rows

    def _take(self) -> None:
        """Have the first request computed, and those behind it that can run with it."""
        self._flush = None
        batch: list[_Job] = []
        others: deque[_Job] = deque()
        is_lone = self._company == 1 == len(self._jobs)
        self._company, rows = len(self._jobs), 0
        while self._jobs:
            job = self._jobs.popleft()
            if job.answer.done():  # nobody waits for it any more
                continue
            if not batch or (job.key == batch[0].key and rows + job.rows <= self._rows):
                batch.append(job)
                job.has_begun = True
                rows += job.rows
            else:
                others.append(job)
        self._jobs = others
        if batch and self._is_quick(batch[0].key, rows, is_lone):
            self._done(batch, *self._timed(batch))
        elif batch:
            self._is_busy = True
            self._batches.put(batch)

    def _is_quick(self, key: Hashable, rows: int, is_lone: bool) -> bool:
        """Whether a batch had better run in the event loop, to judge by one of the same key right before."""
        last_key, last_rows, own_seconds, seconds = self._last
        growth = max(rows / last_rows, 1.0)
        return key == last_key and (
            own_seconds * growth < HANDING_SECONDS or (is_lone and seconds * growth < LONE_SECONDS)
        )

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            answers, seconds, own_seconds = self._timed(batch)
            if self._loop.is_closed():  # the service has ended meanwhile
                return
            self._loop.call_soon_threadsafe(self._done, batch, answers, seconds, own_seconds)

    def _timed(self, batch: list[_Job]) -> tuple[Sequence[Any], float, float]:
        """The answers, the seconds they took, and those of them in which this thread had a processor."""
        begin, own_begin = perf_counter(), thread_time()
        answers = self._answers([job.payload for job in batch])
        return answers, perf_counter() - begin, thread_time() - own_begin

    def _answers(self, payloads: list[Any]) -> Sequence[Any]:
        """Answers or exceptions; what is wrong with one request is told to that one alone."""
        try:
            return self._compute(payloads)
        except Exception as error:
            if len(payloads) == 1:
                return [RuntimeError(repr(error)) if isinstance(error, StopIteration) else error]  # no future takes one
        return [answer for payload in payloads for answer in self._answers([payload])]

    def _done(self, batch: list[_Job], answers: Sequence[Any], seconds: float, own_seconds: float) -> None:
        self._is_busy = False
        if self._jobs:
            # comes before the answers are written: the thread shall not stand still meanwhile
            self._flush = self._loop.call_soon(self._take)
        for job, answer in zip(batch, answers, strict=True):
            if job.answer.done():
                continue
            if isinstance(answer, Exception):
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(answer)
        rows = sum(job.rows for job in batch)
        # for most of its time a thread waits for Python's lock, or for a processor; but what takes a hundred times as
        # long as it computes waits for something else, and shall not do it in the event loop
        self._last = batch[0].key, max(rows, 1), max(own_seconds, seconds / 100), seconds
        self._ran(len(batch), rows, seconds)


def _expire(job: _Job, seconds: float, changes_something: bool) -> None:
    if not (job.answer.done() or (changes_something and job.has_begun)):
        job.answer.set_exception(Refusal(504, f"there was no answer within {seconds:g} seconds."))
