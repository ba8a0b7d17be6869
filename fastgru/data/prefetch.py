"""Items made ahead of who takes them: by a thread, or by several workers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")
R = TypeVar("R")

_END = object()
_PATIENCE = 5.0  # seconds for the item at hand when nobody takes it any more


def prefetched(items: Iterable[T], size: int) -> Generator[T, None, None]:
    """The same items, which a thread takes from their iterable, never more than `size` ahead.

    An error reaches who asks for the item that it came in the place of, with its traceback. The thread ends with the
    items, or when this iterator is closed.
    """
    ahead: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    free, closed = threading.Semaphore(size), threading.Event()

    def take() -> None:
        try:
            iterator, item = iter(items), None
            while item is not _END and free.acquire() and not closed.is_set():
                item = next(iterator, _END)
                ahead.put((item, None))
        except BaseException as error:
            ahead.put((_END, error))

    thread = threading.Thread(target=take, name="fastgru-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ahead.get()
            if error is not None:
                raise error
            if item is _END:
                return
            free.release()
            yield item
    finally:
        closed.set()
        free.release()
        thread.join(_PATIENCE)


def in_parallel(
    executor: Executor, function: Callable[[T], R], items: Iterable[T], size: int
) -> Generator[R, None, None]:
    """The results for the items, in their order, which workers compute, never more than `size` ahead."""
    pending: deque[Any] = deque()
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) > size:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
