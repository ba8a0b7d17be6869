"""The table of sessions: which slot each id has, and which ids are in use."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.types import Array

__all__ = ["GENERATION_BITS", "Slots"]

GENERATION_BITS = 32  # an id is generation << 32 | slot
_SLOT = (1 << GENERATION_BITS) - 1
_LAST_GENERATION = (1 << 31) - 1  # of a slot, which then stays empty: an id is never given out twice
_tables: weakref.WeakSet[Slots] = weakref.WeakSet()


def _forked() -> None:
    """The threads that held locks and sessions are not in the child."""
    for table in _tables:
        table._lock = threading.RLock()
        table.in_use[:] = False


os.register_at_fork(after_in_child=_forked)


class Slots:
    """Gives out ids, each of which is one slot until it is released for good.

    Attributes
    ----------
    ids : (capacity,) int64 ndarray
        The id of the session in each slot, which has the slot's number in its lower half; where there is none, ``~`` of
        the last one (negative, so that no id equals it). To look an id up is an index and a comparison.
    in_use : (capacity,) bool ndarray
        Whether a call is at work on the session.
    last_steps : (capacity,) float64 ndarray
        When it was opened, or made its last step, by the clock.
    """

    def __init__(self, capacity: int, ttl: float | None, clock: Callable[[], float]) -> None:
        self.ids = ~np.arange(capacity, dtype=np.int64)
        self.in_use = np.zeros(capacity, bool)
        self.last_steps = np.zeros(capacity)
        self._places = np.zeros(capacity, np.int64)  # of each session in the ids of the latest call
        self.ttl = ttl
        self.clock = clock
        self._free = deque(range(capacity))
        self._lock = threading.RLock()  # a signal handler may open a session in the middle of it
        _tables.add(self)

    def __len__(self) -> int:
        with self._lock:
            return int((self.ids >= 0).sum()) - len(self._expired())

    def open(self, count: int) -> Array:
        """The ids of new sessions, in use until `release`.

        Raises
        ------
        RuntimeError
            There are not so many slots; none is taken then.
        """
        with self._lock:
            if count > len(self._free):
                self._empty(self._expired())
            if count > len(self._free):
                raise RuntimeError(
                    f"Sessions: {len(self._free)} of the {len(self.ids)} slots are free and {count} asked for; close "
                    "some sessions, or make more capacity."
                )
            slots = np.array([self._free.popleft() for _ in range(count)], np.intp)
            self.ids[slots] = ~self.ids[slots] + (1 << GENERATION_BITS)
            self.in_use[slots] = True
            self.last_steps[slots] = self.clock()
            return self.ids[slots]

    def claim(self, ids: npt.ArrayLike, where: str) -> Array:
        """The slots (k,) of these sessions, which nobody else can claim until `release`.

        Raises
        ------
        ValueError
            An id is none, stands there twice, or is in use; nothing is claimed then.
        """
        asked = _as_ids(ids, where)
        slots = asked & _SLOT
        with self._lock:
            inside = (asked >= 0) & (slots < len(self.ids))
            if not inside.all():
                raise _unknown(asked[~inside][0], where)
            is_open = self.ids[slots] == asked
            if not is_open.all():
                absent = asked[~is_open][0]
                was_open = self.last_id(absent & _SLOT) >= absent > _SLOT
                raise _unknown(absent, where, was_open)
            if self.ttl is not None and (late := self._is_late(slots)).any():
                raise ValueError(
                    f"{where}: session {asked[late][0]} has expired: it made no step for more than {self.ttl:g} "
                    "seconds; open a new one."
                )
            if (busy := self.in_use[slots]).any():
                raise ValueError(f"{where}: session {asked[busy][0]} is in use by another call.")
            places = np.arange(len(slots), dtype=np.int64)
            self._places[slots] = places
            if (again := self._places[slots] != places).any():
                raise ValueError(f"{where}: session {asked[again][0]} stands there twice; name each once.")
            self.in_use[slots] = True
        return slots

    def release(self, slots: Array, *, stepped: bool = False, closed: bool = False) -> None:
        """Others may claim these sessions again, whose time to live begins anew where they made a step."""
        with self._lock:
            self.in_use[slots] = False
            if stepped:
                self.last_steps[slots] = self.clock()
            if closed:
                self._empty(slots)

    def last_id(self, slot: int) -> int:
        """The latest id that a slot had."""
        last = int(self.ids[slot])
        return last if last >= 0 else ~last

    def _is_late(self, slots: Any) -> Array:
        late: Array = self.clock() - self.last_steps[slots] > self.ttl
        return late

    def _expired(self) -> Array:
        if self.ttl is None:
            return np.empty(0, np.intp)
        return np.flatnonzero((self.ids >= 0) & ~self.in_use & self._is_late(slice(None)))

    def _empty(self, slots: Array) -> None:
        self.ids[slots] = ~self.ids[slots]
        self._free.extend(slot for slot in slots.tolist() if self.last_id(slot) >> GENERATION_BITS < _LAST_GENERATION)


def _as_ids(ids: npt.ArrayLike, where: str) -> Array:
    """(k,) int64."""
    array = np.asarray(ids)
    if array.ndim == 0:
        array = array[None]
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{where}: expected ids as `open` gave them, one or a list of them, got {ids!r}.")
    return array.astype(np.int64, copy=False)


def _unknown(session: int, where: str, was_open: bool = False) -> ValueError:
    if was_open:
        return ValueError(f"{where}: session {session} was closed, or has expired; open a new one.")
    return ValueError(f"{where}: there is no session {session}; `open` gives ids out.")
