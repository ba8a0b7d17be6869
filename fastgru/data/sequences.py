"""A list of sequences of unequal length, as the rows of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastgru.types import Array


class Sequences:
    """Sequences of unequal length but else of one shape.

    Parameters
    ----------
    arrays : list of (T, ...) ndarray
    shape : tuple of int, optional
        What the padded rows are taken for: axes of length 1 may come or go behind the steps.

    Attributes
    ----------
    lengths : (N,) int ndarray
        Steps of each sequence.
    shape : tuple of int
        Of all of them, padded to the longest.
    """

    def __init__(self, arrays: Sequence[Array], shape: tuple[int, ...] | None = None) -> None:
        self.arrays, self.dtype = arrays, np.result_type(*{array.dtype for array in arrays})
        self.lengths = np.array([len(array) for array in arrays])
        self.shape = shape or (len(arrays), int(self.lengths.max()), *arrays[0].shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, rows: slice) -> Sequences:
        """Sequences that follow each other."""
        arrays = self.arrays[rows]
        return Sequences(arrays, (len(arrays), *self.shape[1:]))

    def reshape(self, *shape: int) -> Sequences:
        """The same with axes of length 1 more or less."""
        return Sequences(self.arrays, shape)

    def whole(self) -> Array:
        """All of them, with zeros behind their steps."""
        padded = np.zeros(self.shape, self.dtype)
        for row, array in zip(padded, self.arrays, strict=True):
            row[: len(array)] = array.reshape(len(array), *row.shape[1:])
        return padded


def sequences_of(values: Iterable[Any], name: str) -> Sequences | None:
    """The sequences that a list or an array of objects holds; None where an entry is no sequence of real numbers.

    Raises
    ------
    ValueError
        A sequence is empty or has other features than the first.
    """
    arrays: list[Array] = []
    for value in values:
        try:
            array = np.asarray(value)
        except ValueError:
            return None
        if array.ndim == 0 or (array.dtype.kind not in "fiub" and array.size):
            return None
        arrays.append(array)
    for index, array in enumerate(arrays):
        if array.size == 0:
            raise ValueError(f"{name}: expected sequences with at least one step, but sequence {index} is empty.")
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"{name}: expected sequences of steps of one shape, got {arrays[0].shape[1:]} in sequence 0 and "
                f"{array.shape[1:]} in sequence {index}."
            )
    return Sequences(arrays) if arrays else None
