"""In which thread a batch runs: in the event loop's own where handing it over would take longer than computing it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import pytest

pytest.importorskip("starlette", reason="fastgru serve needs the extra [serve]")

from fastgru.serving.gathering import HANDING_SECONDS, LONE_SECONDS, Gatherer


def computing(seconds: float = 2 * LONE_SECONDS) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def threads_of(work: Callable[[], Any], jobs: Sequence[tuple[Hashable, int]], clients: int = 1) -> list[bool]:
    """For requests one after the other of each client, each a key and a number of rows: whether their batches ran in
    the event loop's thread."""
    ran: list[bool] = []

    def compute(payloads: list[Any]) -> list[Any]:
        work()
        ran.append(threading.current_thread() is threading.main_thread())
        return payloads

    async def ask() -> None:
        gatherer = Gatherer(compute, 64, 0.0, 100, lambda *_: None)
        gatherer.start("of a test")
        await asyncio.gather(*[ask_in_turn(gatherer) for _ in range(clients)])
        await gatherer.stop()

    async def ask_in_turn(gatherer: Gatherer) -> None:
        for number, (key, rows) in enumerate(jobs):
            assert await gatherer.submit(key, rows, number, 30.0) == number

    asyncio.run(ask())
    return ran


def test_a_quick_batch_like_the_last_one_runs_in_the_event_loop() -> None:
    ran = threads_of(lambda: None, [("key", 1)] * 50)
    assert not ran[0]  # of which nothing is known
    assert sum(ran) > 25


def test_one_that_computes_for_longer_does_so_where_nobody_else_asks() -> None:
    def work() -> None:
        computing(2 * HANDING_SECONDS)

    jobs = [("key", 1)] * 50
    assert sum(threads_of(work, jobs)) > 25
    assert not any(threads_of(work, jobs, clients=3)[1:-2])  # but the last, when one client is left


@pytest.mark.parametrize("work", [computing, lambda: time.sleep(100 * LONE_SECONDS)], ids=["computes", "sleeps"])
def test_a_batch_that_takes_a_while_does_not(work: Callable[[], Any]) -> None:
    assert not any(threads_of(work, [("key", 1)] * 10))


def test_nor_one_of_another_key_or_of_rows_that_may_take_a_while() -> None:
    assert not any(threads_of(lambda: None, [(object(), 1) for _ in range(20)]))
    ran = threads_of(lambda: None, [("key", rows) for _ in range(10) for rows in (1, 10**6)])
    assert not any(ran[1::2])


def test_any_error_is_that_of_its_own_request_alone() -> None:
    def compute(payloads: list[Any]) -> list[Any]:
        for payload in payloads:
            if isinstance(payload, Exception):
                raise payload
        return payloads

    async def ask() -> list[Any]:
        gatherer = Gatherer(compute, 64, 0.0, 100, lambda *_: None)
        gatherer.start("of a test")
        payloads = [1, StopIteration("x"), KeyError("y"), 2]
        answers = [gatherer.submit("key", 1, payload, 30.0) for payload in payloads]
        told = await asyncio.wait_for(asyncio.gather(*answers, return_exceptions=True), 10)
        await gatherer.stop()
        return told

    first, second, third, last = asyncio.run(ask())
    assert (first, last) == (1, 2)
    assert isinstance(second, RuntimeError)  # as of one in a generator
    assert isinstance(third, KeyError)
