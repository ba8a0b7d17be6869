"""In which thread a batch runs: in the event loop's own where handing it over would take longer than computing it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import pytest

pytest.importorskip("starlette", reason="fastgru serve needs the extra [serve]")

from fastgru.serving.gathering import HANDING_SECONDS, Gatherer


def computing() -> None:
    end = time.thread_time() + 2 * HANDING_SECONDS
    while time.thread_time() < end:
        pass


def threads_of(work: Callable[[], Any], jobs: Iterable[tuple[Hashable, int]]) -> list[bool]:
    """For requests one after the other, each a key and a number of rows: whether it ran in the event loop's thread."""
    ran: list[bool] = []

    def compute(payloads: list[Any]) -> list[Any]:
        work()
        ran.append(threading.current_thread() is threading.main_thread())
        return payloads

    async def ask() -> None:
        gatherer = Gatherer(compute, 64, 0.0, 100, lambda *_: None)
        gatherer.start("of a test")
        for number, (key, rows) in enumerate(jobs):
            assert await gatherer.submit(key, rows, number, 30.0) == number
        await gatherer.stop()

    asyncio.run(ask())
    return ran


def test_a_quick_batch_like_the_last_one_runs_in_the_event_loop() -> None:
    ran = threads_of(lambda: None, [("key", 1)] * 50)
    assert not ran[0]  # of which nothing is known
    assert sum(ran) > 25


@pytest.mark.parametrize("work", [computing, lambda: time.sleep(100 * HANDING_SECONDS)], ids=["computes", "sleeps"])
def test_a_batch_that_takes_a_while_does_not(work: Callable[[], Any]) -> None:
    assert not any(threads_of(work, [("key", 1)] * 10))


def test_nor_one_of_another_key_or_of_rows_that_may_take_a_while() -> None:
    assert not any(threads_of(lambda: None, [(object(), 1) for _ in range(20)]))
    ran = threads_of(lambda: None, [("key", rows) for _ in range(10) for rows in (1, 10**6)])
    assert not any(ran[1::2])
