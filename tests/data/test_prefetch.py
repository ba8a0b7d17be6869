"""Items are made ahead, but no further than is said, and neither errors nor interruptions leave a thread behind."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fastgru.data.prefetch import in_parallel, prefetched


def threads() -> int:
    return sum(thread.name == "fastgru-prefetch" for thread in threading.enumerate())


def with_a_pool(items: Any, size: int, function: Any = abs) -> Any:
    return in_parallel(ThreadPoolExecutor(3, thread_name_prefix="fastgru-prefetch"), function, items, size)


def settled(count: Callable[[], int]) -> int:
    """A count when it no longer changes."""
    last = -1
    while last != count():
        last = count()
        time.sleep(0.05)
    return last


@pytest.fixture(params=[prefetched, with_a_pool], ids=["a thread", "workers"])
def ahead(request: Any) -> Any:
    return request.param


@pytest.mark.parametrize("size", [1, 2, 10])
def test_all_items_come_in_order(ahead: Any, size: int) -> None:
    assert list(ahead(range(50), size)) == list(range(50))
    assert list(ahead(iter(()), size)) == []
    assert threads() == 0


@pytest.mark.parametrize("size", [1, 2, 5])
def test_no_more_than_that_many_are_made_ahead(ahead: Any, size: int) -> None:
    made = []

    def items() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            yield item

    taken = ahead(items(), size)
    for count in range(1, 4):
        next(taken)
        assert settled(lambda: len(made)) == count + size
    taken.close()
    assert threads() == 0
    assert len(made) <= 3 + size + 1


class Stop(Exception):
    pass


def broken(item: int) -> int:
    if item == 2:
        raise Stop("the third")
    return item


@pytest.mark.parametrize(
    "taken", [lambda: prefetched(map(broken, range(9)), 2), lambda: with_a_pool(range(9), 2, broken)]
)
def test_an_error_comes_in_its_place_with_its_traceback(taken: Any) -> None:
    taken = taken()
    assert next(taken) == 0
    assert next(taken) == 1
    with pytest.raises(Stop, match="the third") as error:
        next(taken)
    assert "broken" in [frame.name for frame in traceback.extract_tb(error.value.__traceback__)]
    assert threads() == 0


def test_whoever_stops_in_the_middle_leaves_no_thread(ahead: Any) -> None:
    def interrupted() -> None:
        for item in ahead(iter(int, 1), 3):
            if item == 0:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert threads() == 0


def seconds_of(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def test_work_is_done_while_others_work() -> None:
    def slow() -> Iterator[int]:
        for item in range(20):
            time.sleep(0.01)
            yield item

    def consumed(items: Any) -> None:
        for _ in items:
            time.sleep(0.01)

    def ratio() -> float:
        alone = max(seconds_of(lambda: list(slow())), seconds_of(lambda: consumed(range(20))))
        return seconds_of(lambda: consumed(prefetched(slow(), 2))) / alone

    assert any(ratio() < 1.5 for _ in range(10))  # other processes may have the machine meanwhile
