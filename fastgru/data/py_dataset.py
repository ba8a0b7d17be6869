"""A data set that makes its batches itself: Keras's `PyDataset`, once called `Sequence`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from fastgru import checks

__all__ = ["PyDataset", "Sequence"]


class PyDataset:
    """Base of data sets whose batches are made one by one, by their number.

    A subclass has ``__getitem__(index)``, which returns a batch ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)``, and
    ``__len__``, the number of batches, or `num_batches`. Each batch of an epoch is made once, ahead of its step: in one
    thread, or by the workers; `fit` shuffles their order. Batches may differ in size.

    Parameters
    ----------
    workers : int
        How many batches are made at a time. With 0 or 1 there is one thread.
    use_multiprocessing : bool
        Make them in as many processes in the place of threads: for work in Python, which threads take turns at. Where
        processes are not forked, the data set is pickled once an epoch.
    max_queue_size : int
        So many batches are made ahead at most.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        where = type(self).__name__
        self.workers = int(checks.not_negative(checks.integer(workers, where, "workers"), where, "workers"))
        self.use_multiprocessing = checks.flag(use_multiprocessing, where, "use_multiprocessing")
        self.max_queue_size = checks.positive_integer(max_queue_size, where, "max_queue_size")

    def __getitem__(self, index: int) -> Any:
        """The batch of a number."""
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__(index), which returns a batch.")

    @property
    def num_batches(self) -> int | None:
        """How many batches there are; None for as many as are asked for, of which `steps_per_epoch` make an epoch."""
        if not hasattr(self, "__len__"):
            raise NotImplementedError(f"{type(self).__name__} defines neither __len__ nor num_batches.")
        return len(self)

    def __iter__(self) -> Iterator[Any]:
        """The batches in order, made when they are asked for."""
        batches = self.num_batches
        for index in count() if batches is None else range(batches):
            yield self[index]

    def on_epoch_begin(self) -> None:
        """Called before the first batch of an epoch is made."""

    def on_epoch_end(self) -> None:
        """Called when all batches of an epoch are done: the place to draw a new order."""


Sequence = PyDataset  # its name in Keras 1 and 2
