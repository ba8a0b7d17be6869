"""A thread that changes weights beside a test."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["Settings", "random_settings", "swapping"]

SWAPS = 300
Settings = Sequence[Sequence[Any]]


def random_settings(layer: Any, rng: np.random.Generator) -> Settings:
    return [[rng.uniform(0.1, 1, size=one.shape).astype("float32") for one in layer.get_weights()] for _ in range(3)]


@contextmanager
def swapping(changes: Sequence[Callable[[], object]], swaps: int = SWAPS) -> Iterator[Callable[[], bool]]:
    """Make the changes one after the other in another thread; the value says whether it goes on."""
    errors: list[BaseException] = []

    def change() -> None:
        try:
            for number in range(swaps):
                changes[number % len(changes)]()
        except BaseException as error:
            errors.append(error)

    thread, interval = threading.Thread(target=change), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        thread.start()
        yield thread.is_alive
    finally:
        thread.join()
        sys.setswitchinterval(interval)
    assert not errors
