"""What makes batches one by one: generators, iterables of batches, and data sets like `PyDataset`."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import count
from numbers import Number
from typing import Any

import numpy as np

from fastgru import random
from fastgru.data.sources import in_memory, is_array

AHEAD = 2  # batches that lie ready where nobody says how many
REPEATED = 2  # of a generator, as in Keras


class BatchStream:
    """Batches that are made one by one, again for each pass.

    Attributes
    ----------
    kind : str
        What errors call it.
    steps : int or None
        Batches of a pass; None where that is not known.
    ahead : int
        How many batches are made ahead.
    is_once : bool
        Whether a new pass goes on where the last one ended.
    """

    kind = "the iterable"
    is_once = False
    steps: int | None = None
    ahead = AHEAD

    def new_pass(self) -> Iterator[Any]:
        """For each batch of a pass, in order, what `batch` makes it of."""
        raise NotImplementedError

    def batch(self, item: Any) -> Any:
        """A batch, as numpy arrays in memory of their own."""
        return arrays(item)

    def batches(self, items: Iterator[Any]) -> Generator[Any, None, None]:
        """The batches of several items, made ahead until this iterator is closed."""
        # deferred, as in `Indexed`: every model asks whether its data are a stream, and few are
        from fastgru.data.prefetch import prefetched

        return prefetched(map(self.batch, items), self.ahead)

    def begin_epoch(self) -> None:
        """Called before the first batch of an epoch is made."""

    def end_epoch(self) -> None:
        """Called when all batches of an epoch are done."""


class Iterated(BatchStream):
    """What is iterated anew for each pass: a `tf.data.Dataset`, a DataLoader of torch, an object with ``__iter__``."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches
        try:
            self.steps = len(batches)  # type: ignore[arg-type]
        except TypeError:  # of data sets whose length nobody knows, and of what has none
            self.steps = None

    def new_pass(self) -> Iterator[Any]:
        return iter(self._batches)


class Generated(BatchStream):
    """An iterator, which goes on where it was left.

    As in Keras, its first two batches come again at the start of every later pass.
    """

    kind = "the generator"
    is_once = True

    def __init__(self, batches: Iterator[Any], ahead: int = AHEAD) -> None:
        self._batches, self.ahead = batches, ahead
        self._first: list[Any] = []
        self._is_over = False

    def new_pass(self) -> Iterator[Any]:
        if self._is_over:
            warnings.warn(
                f"The generator ran out: as in Keras, its first {len(self._first)} batches come again and no others. "
                "Give steps_per_epoch, or a PyDataset, which starts anew each epoch.",
                stacklevel=7,
            )
        return self._pass()

    def _pass(self) -> Iterator[Any]:
        yield from self._first[:]
        for batch in self._batches:
            if len(self._first) < REPEATED:
                self._first.append(batch := arrays(batch))
            yield batch
        self._is_over = True


class Indexed(BatchStream):
    """A `PyDataset`, of this package or of Keras: its batches have numbers, whose order may be drawn for each pass."""

    kind = "the PyDataset"

    def __init__(self, dataset: Any, shuffle: bool = False) -> None:
        self._dataset, self.is_shuffled = dataset, shuffle
        self.workers: int = getattr(dataset, "workers", 1)
        self.use_multiprocessing: bool = getattr(dataset, "use_multiprocessing", False)
        self.ahead = getattr(dataset, "max_queue_size", AHEAD)
        self.steps = self._length()

    def _length(self) -> int | None:
        dataset = self._dataset
        return dataset.num_batches if hasattr(type(dataset), "num_batches") else len(dataset)

    def new_pass(self) -> Iterator[Any]:
        if self.steps is None:
            return count()
        return iter(random.stream().permutation(self.steps).tolist() if self.is_shuffled else range(self.steps))

    def batch(self, item: int) -> Any:
        return arrays(self._dataset[item])

    def batches(self, items: Iterator[Any]) -> Generator[Any, None, None]:
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

        from fastgru.data.prefetch import in_parallel

        if self.use_multiprocessing and self.workers:
            processes = ProcessPoolExecutor(self.workers, initializer=_inherit, initargs=(self,))
            return in_parallel(processes, _batch_of_inherited, items, self.ahead)
        if self.workers > 1:
            return in_parallel(ThreadPoolExecutor(self.workers), self.batch, items, self.ahead)
        return super().batches(items)

    def begin_epoch(self) -> None:
        if hasattr(self._dataset, "on_epoch_begin"):  # which Keras 2 did not have
            self._dataset.on_epoch_begin()

    def end_epoch(self) -> None:
        self._dataset.on_epoch_end()
        self.steps = self._length()


_inherited: Indexed  # of a process that makes batches


def _inherit(dataset: Indexed) -> None:
    global _inherited
    _inherited = dataset


def _batch_of_inherited(index: int) -> Any:
    return _inherited.batch(index)


def stream_of(x: Any, shuffle: bool = False, ahead: int = AHEAD) -> BatchStream | None:
    """What makes batches of `x`; None where `x` is data itself: an array, a frame, or a list or dict of them.

    It is known by what it can do, so that no library is loaded for it.

    Parameters
    ----------
    x
    shuffle : bool
        Whether the batches of a data set with numbers come in a new order each pass.
    ahead : int
        How many batches of a generator are made ahead.
    """
    if isinstance(x, BatchStream):
        return x
    if is_array(x) or isinstance(x, (Sequence, Mapping)) or hasattr(x, "__dlpack__"):
        return None
    if hasattr(x, "__getitem__") and hasattr(x, "on_epoch_end"):
        return Indexed(x, shuffle)
    if isinstance(x, Iterator):
        return Generated(x, ahead)
    return Iterated(x) if hasattr(x, "__iter__") else None


def arrays(values: Any) -> Any:
    """A batch with its tensors, frames and parts of files as numpy arrays.

    They are copies, as generators write their next batch into the memory of the last.
    """
    if isinstance(values, Mapping):
        return {name: arrays(value) for name, value in values.items()}
    if isinstance(values, tuple) or (isinstance(values, list) and any(map(_is_part, values))):
        return tuple(map(arrays, values)) if isinstance(values, tuple) else list(map(arrays, values))
    values = in_memory(values)
    return np.array(values) if is_array(values) else values


def _is_part(value: Any) -> bool:
    """Whether an entry of a list is a part of a batch by itself: no number, and no row of numbers."""
    return not isinstance(value, (Number, str, list))


def unpacked(batch: Any, where: str) -> tuple[Any, Any, Any]:
    """x, y and weights of a batch: ``(x,)``, ``(x, y)``, ``(x, y, sample_weight)``, or x itself."""
    if not isinstance(batch, (list, tuple)):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(f"{where}: expected (x,), (x, y) or (x, y, sample_weight), got {len(batch)} entries.")
    return (*batch, None, None)[:3]
