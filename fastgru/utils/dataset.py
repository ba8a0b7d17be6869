"""A data set whose elements are made when they are asked for: batches of arrays, or single samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastgru.types import Array

__all__ = ["Dataset", "from_arrays", "mapped", "stacked"]


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
        self._element, self._rows = element, batch_size
        self._generator = np.random.default_rng(seed) if shuffle else None
        self._before_pass: Callable[[], None] | None = None
        self._order: Array = np.arange(count)
        self._draw()

    def _draw(self) -> None:
        if self._generator is not None:
            self._order = self._generator.permutation(len(self._order))

    # --- as a sequence ------------------------------------------------------------------------------

    def __len__(self) -> int:
        return math.ceil(len(self._order) / (self._rows or 1))

    def __getitem__(self, index: int) -> Any:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"Dataset: expected an index below {size}, got {index}.")
        if self._rows is None:
            return self._element(int(self._order[index]))
        first = index % size * self._rows
        return self._element(self._order[first : first + self._rows])

    def __iter__(self) -> Iterator[Any]:
        self.on_epoch_begin()
        for index in range(len(self)):
            yield self[index]

    def on_epoch_begin(self) -> None:
        """Draw the order of a new pass, where it is shuffled."""
        if self._before_pass is not None:
            self._before_pass()
        self._draw()

    def cardinality(self) -> int:
        """The number of elements."""
        return len(self)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The elements, which are numpy arrays already."""
        return iter(self)

    # --- others made of it --------------------------------------------------------------------------

    def _with(self, count: int, element: Callable[[Any], Any], batch_size: int | None, **how: Any) -> Dataset:
        """A data set whose elements are made of those of this one."""
        other = Dataset(count, element, class_names=self.class_names, **how)
        other.batch_size, other._before_pass = batch_size, self.on_epoch_begin
        return other

    def map(self, function: Callable[..., Any], num_parallel_calls: Any = None, deterministic: Any = None) -> Dataset:
        """`function` of every element, a tuple's parts one by one; in order, whatever the last two arguments say."""

        def element(place: int) -> Any:
            value = self[place]
            return function(*value) if isinstance(value, tuple) else function(value)

        return self._with(len(self), element, self.batch_size)

    def take(self, count: int) -> Dataset:
        """The first elements; all of them for -1."""
        return self._with(len(self) if count < 0 else min(count, len(self)), self.__getitem__, self.batch_size)

    def skip(self, count: int) -> Dataset:
        """The elements behind the first ones; none for -1."""
        first = len(self) if count < 0 else min(count, len(self))
        return self._with(len(self) - first, lambda place: self[first + place], self.batch_size)

    def batch(
        self, batch_size: int, drop_remainder: bool = False, num_parallel_calls: Any = None, deterministic: Any = None
    ) -> Dataset:
        """Batches of the elements, in arrays with one axis more."""
        size = len(self) // batch_size if drop_remainder else math.ceil(len(self) / batch_size)

        def element(place: int) -> Any:
            rows = range(place * batch_size, min((place + 1) * batch_size, len(self)))
            return stacked([self[row] for row in rows])

        return self._with(size, element, batch_size)

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
        other = self._with(len(self), self.__getitem__, self.batch_size, shuffle=True, seed=seed)
        if not reshuffle_each_iteration:
            other._generator = None
        return other

    def repeat(self, count: int | None = None) -> Dataset:
        """The elements several times over; an endless repetition has no length, and is refused."""
        if count is None or count < 1:
            raise ValueError(
                f"Dataset.repeat: expected how often, at least once, got {count!r}; to train for longer, "
                "give fit more epochs."
            )
        return self._with(len(self) * count, lambda place: self[place % len(self)], self.batch_size)

    def cache(self, filename: str = "") -> Dataset:
        """The same elements, each made once and then held in memory, in the order of the first pass."""
        if filename:
            raise ValueError(f"Dataset.cache: the file {filename!r} is not supported; leave it out for memory.")
        elements: dict[int, Any] = {}

        def element(place: int) -> Any:
            if place not in elements:
                elements[place] = self[place]
            return elements[place]

        other = self._with(len(self), element, self.batch_size)
        other._before_pass = None
        return other

    def prefetch(self, buffer_size: Any = None) -> Dataset:
        """The data set itself: whoever reads it decides how far ahead."""
        return self

    def __repr__(self) -> str:
        return f"<Dataset of {len(self)} {'samples' if self.batch_size is None else 'batches'}>"


def _length(batch: Any) -> int:
    while isinstance(batch, (tuple, list, dict)):
        batch = next(iter(batch.values() if isinstance(batch, dict) else batch))
    return len(batch)


def from_arrays(arrays: Any, rows: Array) -> Dataset:
    """A data set of the samples with these numbers, of arrays in nested tuples, lists and dicts."""
    return Dataset(len(rows), lambda place: mapped(lambda array: array[rows[place]], arrays))
