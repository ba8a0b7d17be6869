"""Sequences of unequal length: padded in their batch, which is made of those that are about as long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import random
from fastgru.data.column import Check, ColumnLike
from fastgru.data.sequences import Sequences
from fastgru.types import Array

POOL = 64  # batches that are drawn together and then sorted by length


class PaddedColumn:
    """The sequences of a batch, as long as the longest of them, with zeros behind the others.

    Parameters
    ----------
    sequences : Sequences
    dtype : optional
        Of the batches; that of the sequences where absent.
    *checks : callable
        As a `Column` has them; they see each batch.
    """

    def __init__(self, sequences: Sequences, dtype: Any = None, *checks: Check) -> None:
        self._sequences, self._checks = sequences, checks
        self._dtype = np.dtype(dtype or sequences.dtype)

    def __len__(self) -> int:
        return len(self._sequences)

    def rows(self, rows: slice) -> Array:
        """A batch of sequences that follow each other."""
        return self.gathered(np.arange(rows.start, rows.stop))

    def gathered(self, rows: Array, n_threads: int = 1) -> Array:
        """A batch of the sequences with these indices."""
        arrays, lengths = self._sequences.arrays, self._sequences.lengths[rows]
        batch = np.zeros((len(rows), lengths.max(), *self._sequences.shape[2:]), self._dtype)
        for place, row, length in zip(batch, rows, lengths, strict=True):
            place[:length] = arrays[row].reshape(length, *place.shape[1:])
        for check in self._checks:
            check(batch, rows)
        return batch


class StepsColumn:
    """The masks of the same batches: True for a sequence's own steps."""

    def __init__(self, lengths: Array) -> None:
        self._lengths = lengths

    def __len__(self) -> int:
        return len(self._lengths)

    def rows(self, rows: slice) -> Array:
        """That of sequences that follow each other."""
        return self.gathered(np.arange(rows.start, rows.stop))

    def gathered(self, rows: Array, n_threads: int = 1) -> Array:
        """That of the sequences with these indices."""
        lengths = self._lengths[rows]
        mask: Array = np.arange(lengths.max()) < lengths[:, np.newaxis]
        return mask


class TrimmedColumn:
    """Targets or weights for every step, cut to the steps of their batch.

    Parameters
    ----------
    column : ColumnLike
        As long as the longest sequence of all.
    lengths : (N,) int ndarray
    """

    def __init__(self, column: ColumnLike, lengths: Array) -> None:
        self._column, self._lengths = column, lengths

    def __len__(self) -> int:
        return len(self._lengths)

    def rows(self, rows: slice) -> Array:
        """Those of sequences that follow each other."""
        return np.ascontiguousarray(self._column.rows(rows)[:, : self._lengths[rows].max()])

    def gathered(self, rows: Array, n_threads: int = 1) -> Array:
        """Those of the sequences with these indices."""
        return np.ascontiguousarray(self._column.gathered(rows, n_threads)[:, : self._lengths[rows].max()])


def by_length(lengths: Array) -> Array:
    """The sequences from the shortest to the longest, by index."""
    return lengths.argsort(kind="stable")


def drawn_by_length(lengths: Array, batch_size: int) -> Array:
    """The sequences in a new order in which those of a batch are about as long, by index.

    They are drawn, those of `POOL` batches sorted, and the full batches drawn once more.
    """
    draw, count = random.stream().permutation, len(lengths) // batch_size
    order = draw(len(lengths))
    pools: Sequence[Array] = np.split(order, range(POOL * batch_size, len(order), POOL * batch_size))
    order = np.concatenate([pool[by_length(lengths[pool])] for pool in pools])
    full = order[: count * batch_size].reshape(count, batch_size)
    return np.concatenate([full[draw(count)].reshape(-1), order[count * batch_size :]])
