"""Memory that passes work in, handed on from one that is over to the next of about its size."""

from __future__ import annotations

import os
import threading
from collections import deque

import numpy as np
import numpy.typing as npt

from fastgru.layers.workspace import aligned_empty
from fastgru.types import Array

__all__ = ["Workspace"]

_lock = threading.Lock()
_returned: deque[Array] = deque()  # by passes that are over, in whichever thread, the garbage collector's too
_idle: list[Array] = []  # the longest idle first
_used_bytes = _most_used_bytes = 0


def _forked() -> None:
    global _lock
    _lock = threading.Lock()  # the thread that held it is not in the child


os.register_at_fork(after_in_child=_forked)


class Workspace:
    """Some numbers, of undefined values, until `release`, or until nobody holds the workspace any more.

    New memory of some megabytes costs a page fault for each of its pages, as much as a pass over it. What lies idle and
    what is used are together never more than was used at the same time before.

    Parameters
    ----------
    *sizes : int
        Of the `arrays`, each of which begins on a cache line.
    dtype : dtype
    """

    __slots__ = ("_memory", "arrays")

    def __init__(self, *sizes: int, dtype: npt.DTypeLike) -> None:
        dtype = np.dtype(dtype)
        lines = [-(-size * dtype.itemsize // 64) * 64 for size in sizes]
        self._memory: Array | None = _taken(sum(lines))
        self.arrays: list[Array] = []
        begin = 0
        for size, line in zip(sizes, lines, strict=True):
            self.arrays.append(self._memory[begin : begin + size * dtype.itemsize].view(dtype))
            begin += line

    def release(self) -> None:
        """Hand the memory on."""
        memory, self._memory, self.arrays = self._memory, None, []
        if memory is not None:
            _returned.append(memory)

    def __del__(self) -> None:
        self.release()


def _taken(size: int) -> Array:
    """So many bytes: of what lies idle the smallest that is large enough and not twice as large, else new ones."""
    global _used_bytes, _most_used_bytes
    with _lock:
        while _returned:
            memory = _returned.popleft()
            _used_bytes -= memory.nbytes
            _idle.append(memory)
        fits = [index for index, memory in enumerate(_idle) if size <= memory.nbytes <= 2 * size]
        index = min(fits, key=lambda index: _idle[index].nbytes, default=None)
        memory = aligned_empty(size, np.uint8) if index is None else _idle.pop(index)
        _used_bytes += memory.nbytes
        _most_used_bytes = max(_most_used_bytes, _used_bytes)
        while _idle and sum(each.nbytes for each in _idle) > _most_used_bytes - _used_bytes:
            del _idle[0]
    return memory
