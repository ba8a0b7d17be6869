"""A data set whose elements are made when they are asked for: batches of arrays, or single samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastgru.types import Array

__all__ = ["Dataset", "from_arrays", "mapped", "stacked"]

SEEDS = 1_000_000


def mapped(function: Callable[[Any], Any], structure: Any) -> Any:
    """`function` of each array in nested tuples, lists and dicts."""
    if isinstance(structure, dict):
        return type(structure)((key, mapped(function, part)) for key, part in structure.items())
    if isinstance(structure, (tuple, list)):
        return type(structure)([mapped(function, part) for part in structure])
    return function(structure)


def stacked(samples: Sequence[Any]) -> Any:
    """A batch of samples: each array of their structure with an axis for the samples in front."""
    first = samples[0]
    if isinstance(first, dict):
        return type(first)((key, stacked([sample[key] for sample in samples])) for key in first)
    if isinstance(first, (tuple, list)):
        return type(first)([stacked(parts) for parts in zip(*samples, strict=True)])
    if isinstance(first, (str, bytes)):
        return np.array(samples, dtype=object)
    return np.stack(samples)


class Dataset:
    """A number of elements, in an order that may change from pass to pass, under the names of `tf.data`.

    Elements are `x`, `(x, y)` or `(x, y, sample_weight)`, each an array, a dict or a tuple of arrays, as `fit` takes
    them: a data set is a sequence of batches that has a length. The methods leave it as it is and return another.

    Parameters
    ----------
    count : int
        Number of rows.
    element : callable
        Makes an element from the number of its row, or where there is a `batch_size` from an array of them.
    batch_size : int, optional
        Rows to an element; None where an element is one row.
    shuffle : bool
        Draw a new order of the rows for each pass.
    seed : int, optional
        For the orders: equal seeds draw the same ones.
    class_names : list of str, optional
        What the labels stand for.

    Attributes
    ----------
    batch_size : int or None
        Samples to a batch; None where the elements are samples.
    """

    def __init__(
        self,
        count: int,
        element: Callable[[Any], Any],
        batch_size: int | None = None,
        shuffle: bool = False,
        seed: int | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.class_names = class_names
        self._count, self._rows = count, batch_size
        # of each pass: what makes the elements out of their rows
        self._new_element: Callable[[], Callable[[Any], Any]] = lambda: element
        self._generator: np.random.Generator | None = None
        self._order: Array | None = None  # of all passes, where they have one
        if shuffle:
            # one of so many seeds as Keras draws one of, out of numpy's global generator
            seed = np.random.randint(SEEDS) if seed is None else seed  # noqa: NPY002
            self._generator = np.random.default_rng(seed)
        self._read: Callable[[int], Any] | None = None

    # --- as a sequence ------------------------------------------------------------------------------

    def __len__(self) -> int:
        return math.ceil(self._count / (self._rows or 1))

    def __getitem__(self, index: int) -> Any:
        """The element at an index of a pass that lasts until `on_epoch_begin`."""
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"Dataset: expected an index below {size}, got {index}.")
        self._read = self._read or self._new_pass()
        return self._read(index % size)

    def __iter__(self) -> Iterator[Any]:
        yield from map(self._new_pass(), range(len(self)))

    def on_epoch_begin(self) -> None:
        """Let indices be those of a new pass."""
        self._read = None

    def _new_pass(self) -> Callable[[int], Any]:
        """What makes the elements by their index, in an order of its own: passes may go on side by side."""
        order = self._order
        if order is None:
            order = np.arange(self._count) if self._generator is None else self._generator.permutation(self._count)
        element, rows = self._new_element(), self._rows

        def read(index: int) -> Any:
            return element(int(order[index]) if rows is None else order[index * rows : (index + 1) * rows])

        return read

    def cardinality(self) -> int:
        """The number of elements."""
        return len(self)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The elements, which are numpy arrays already."""
        return iter(self)

    # --- others made of it --------------------------------------------------------------------------

    def _with(
        self, count: int, batch_size: int | None, make: Callable[[Callable[[int], Any], int], Any], **how: Any
    ) -> Dataset:
        """A data set whose element at a place is ``make(read, place)``, where `read` reads those of a pass of this."""

        def new_element() -> Callable[[int], Any]:
            read = self._new_pass()
            return lambda place: make(read, place)

        other = Dataset(count, self.__getitem__, class_names=self.class_names, **how)
        other.batch_size, other._new_element = batch_size, new_element
        return other

    def map(self, function: Callable[..., Any], num_parallel_calls: Any = None, deterministic: Any = None) -> Dataset:
        """`function` of every element, a tuple's parts one by one; in order, whatever the last two arguments say."""

        def make(read: Callable[[int], Any], place: int) -> Any:
            value = read(place)
            return function(*value) if isinstance(value, tuple) else function(value)

        return self._with(len(self), self.batch_size, make)

    def take(self, count: int) -> Dataset:
        """The first elements; all of them for -1."""
        return self._with(len(self) if count < 0 else min(count, len(self)), self.batch_size, _same)

    def skip(self, count: int) -> Dataset:
        """The elements behind the first ones; none for -1."""
        first = len(self) if count < 0 else min(count, len(self))
        return self._with(len(self) - first, self.batch_size, lambda read, place: read(first + place))

    def batch(
        self, batch_size: int, drop_remainder: bool = False, num_parallel_calls: Any = None, deterministic: Any = None
    ) -> Dataset:
        """Batches of the elements, in arrays with one axis more."""
        size = len(self) // batch_size if drop_remainder else math.ceil(len(self) / batch_size)

        def make(read: Callable[[int], Any], place: int) -> Any:
            return stacked(list(map(read, range(place * batch_size, min((place + 1) * batch_size, len(self))))))

        return self._with(size, batch_size, make)

    def unbatch(self) -> Dataset:
        """The samples of the batches one by one; all of them are in memory."""
        batches = list(self)
        places = [(batch, row) for batch in batches for row in range(_length(batch))]

        def element(place: int) -> Any:
            batch, row = places[place]
            return mapped(lambda array: array[row], batch)

        return Dataset(len(places), element, class_names=self.class_names)

    def shuffle(self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool = True) -> Dataset:
        """The elements in an order drawn for each pass, from all of them whatever the size of the buffer."""
        other = self._with(len(self), self.batch_size, _same, shuffle=True, seed=seed)
        if not reshuffle_each_iteration and other._generator is not None:
            other._order = other._generator.permutation(len(self))
        return other

    def repeat(self, count: int | None = None) -> Dataset:
        """The elements several times over; an endless repetition has no length, and is refused."""
        if count is None or count < 1:
            raise ValueError(
                f"Dataset.repeat: expected how often, at least once, got {count!r}; to train for longer, "
                "give fit more epochs."
            )
        return self._with(len(self) * count, self.batch_size, lambda read, place: read(place % len(self)))

    def cache(self, filename: str = "") -> Dataset:
        """The same elements, each made once and then held in memory, in the order of the first pass."""
        if filename:
            raise ValueError(f"Dataset.cache: the file {filename!r} is not supported; leave it out for memory.")
        read, elements = self._new_pass(), dict[int, Any]()

        def element(place: int) -> Any:
            if place not in elements:
                elements[place] = read(place)
            return elements[place]

        other = Dataset(len(self), element, class_names=self.class_names)
        other.batch_size = self.batch_size
        return other

    def prefetch(self, buffer_size: Any = None) -> Dataset:
        """The data set itself: whoever reads it decides how far ahead."""
        return self

    def __repr__(self) -> str:
        return f"<Dataset of {len(self)} {'samples' if self.batch_size is None else 'batches'}>"


def _same(read: Callable[[int], Any], place: int) -> Any:
    return read(place)


def _length(batch: Any) -> int:
    while isinstance(batch, (tuple, list, dict)):
        batch = next(iter(batch.values() if isinstance(batch, dict) else batch))
    return len(batch)


def from_arrays(arrays: Any, rows: Array) -> Dataset:
    """A data set of the samples with these numbers, of arrays in nested tuples, lists and dicts."""
    return Dataset(len(rows), lambda place: mapped(lambda array: array[rows[place]], arrays))
