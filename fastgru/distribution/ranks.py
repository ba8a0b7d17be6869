"""The processes that train together, and what they say to each other."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from fastgru import threads
from fastgru.distribution.watch import TIMEOUT, Watch
from fastgru.layers.context import context
from fastgru.layers.share import Share
from fastgru.types import Array

__all__ = ["Ranks"]


class Ranks:
    """The processes of one communicator of MPI. All of them call the same methods in the same order.

    Parameters
    ----------
    mpi : module
        ``mpi4py.MPI``.
    timeout : float
        Seconds to wait for the others.

    Attributes
    ----------
    rank, size : int
    is_summed : bool
        Whether the gradients that an optimizer is handed are those of all processes.
    """

    def __init__(self, mpi: Any, timeout: float = TIMEOUT) -> None:
        self._in_place = mpi.IN_PLACE
        self._types = {"f": mpi.FLOAT, "d": mpi.DOUBLE}
        self._bytes = mpi.BYTE
        self._comm = mpi.COMM_WORLD.Dup()
        self._host = self._comm.Split_type(mpi.COMM_TYPE_SHARED)
        self.rank: int = self._comm.rank
        self.size: int = self._comm.size
        self.is_summed = False
        self._watch = Watch(f"rank {self.rank}", timeout, lambda: self.abort(1))

    def threads(self) -> int:
        """How many threads each process of this machine may have, that all together have one for each processor."""
        if not hasattr(os, "sched_getaffinity"):
            return max(1, threads.available_cpus() // self._host.size)
        mine = os.sched_getaffinity(0)
        users = Counter(cpu for cpus in self._host.allgather(sorted(mine)) for cpu in cpus)
        processors = sum(1 / users[cpu] for cpu in mine)
        quota = threads.cgroup_quota()
        return max(1, int(min(processors, processors if quota is None else quota / self._host.size)))

    # --- rows -------------------------------------------------------------------------------------------

    def share(self, total: int) -> Share:
        """The rows of this process in a batch of so many."""
        start, stop = (total * number // self.size for number in (self.rank, self.rank + 1))
        if start == stop:
            return Share(0, 1, total, False, False, self)
        return Share(start, stop, total, True, False, self)

    def gathered(self, array: Array, share: Share) -> Array:
        """The rows of all processes, one after the other."""
        total, a_row = share.total, array[:1].nbytes
        bounds = [total * number // self.size for number in range(self.size + 1)]
        counts = np.diff(bounds) * a_row
        mine = np.ascontiguousarray(array if share.counts else array[:0])
        whole = np.empty((total, *array.shape[1:]), array.dtype)
        with self._watch.over("DataParallel"):
            self._comm.Allgatherv(
                [mine.reshape(-1).view(np.uint8), self._bytes],
                [whole.reshape(-1).view(np.uint8), counts, np.multiply(bounds[:-1], a_row), self._bytes],
            )
        return whole

    # --- sums -------------------------------------------------------------------------------------------

    def add(self, array: Array) -> Array:
        """Put the sum of the arrays of all processes in the place of each; float32 or float64, in one piece."""
        with self._watch.over("DataParallel"):
            self._comm.Allreduce(self._in_place, [array, self._types[array.dtype.char]])
        return array

    def average(self, gradients: Array) -> None:
        """The mean over the batch, of gradients of means over the rows of each process, in their place.

        Outside of a step that shares a batch every process weighs the same.
        """
        share = context.share
        weight = 1 / self.size if share is None else share.fraction
        if weight:
            gradients *= weight
        else:
            gradients.fill(0)  # whatever they are
        self.add(gradients)

    def mean(self, logs: Mapping[str, Any], weight: float) -> dict[str, Any]:
        """The weighted means of numbers by name."""
        with self._watch.over("DataParallel"):
            parts = self._comm.allgather((weight, dict(logs)))
        counting = [(part, numbers) for part, numbers in parts if part]
        whole = sum(part for part, _ in counting)
        return {name: sum(part * numbers[name] for part, numbers in counting) / whole for name in counting[0][1]}

    def any(self, flag: bool) -> bool:
        """Whether it is so on one of them at least."""
        return bool(self.add(np.array(float(flag))))

    # --- what is the same on all ------------------------------------------------------------------------

    def first(self, value: Any) -> Any:
        """What the first process has for this value."""
        with self._watch.over("DataParallel"):
            return self._comm.bcast(value)

    def align(self, generator: np.random.Generator) -> None:
        """Let a generator go on as that of the first process does."""
        generator.bit_generator.state = self.first(generator.bit_generator.state)

    def alike(self, where: str, facts: Mapping[str, Any]) -> None:
        """ValueError, on all of them, where a fact is not the same on all of them."""
        with self._watch.over(where):
            request = self._comm.Ibarrier()
            while not request.Test():  # where Ctrl-C is heeded
                time.sleep(0)
            others = self._comm.allgather(dict(facts))
        for number, other in enumerate(others):
            for name, value in others[0].items():
                if other.get(name) != value:
                    shown = f" ({value!r} and {other.get(name)!r})" if len(f"{value}{other.get(name)}") < 80 else ""
                    raise ValueError(
                        f"{where}: the ranks 0 and {number} of {self.size} have other {name}{shown}; under "
                        "DataParallel every rank runs the same program with the same data, model and settings."
                    )

    def in_step(self, batches: Iterable[Any], kind: str) -> Iterator[Any]:
        """Batches that each process makes for itself; a ValueError where they are not equally many or large."""
        for number, batch in enumerate(_and_none(batches)):
            total = None if batch is None else batch.share.total
            self.alike(f"Batch {number} of {kind}", {"numbers of rows": total})
            if batch is None:
                return
            yield batch

    def wait(self) -> None:
        """Come back when all of them are here, for the last time."""
        with self._watch.over("The end of DataParallel"):
            self._comm.Barrier()
        self._watch.close()

    def abort(self, status: int) -> None:
        """End all of them now."""
        self._comm.Abort(status)


def _and_none(batches: Iterable[Any]) -> Iterator[Any]:
    yield from batches
    yield None
