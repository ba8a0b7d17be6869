"""One input, target or weight of a model, and what its batches are made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from fastgru import kernels
from fastgru.data.sources import Evenly, Rows, Stored, check_kind
from fastgru.types import Array

# of some rows, and which of the samples they are: a ValueError that says what is wrong with them
Check = Callable[[Array, Rows], None]

CHECKED_NUMBERS = 1 << 20  # at a time, for a check takes memory of its own


def finite(label: str, infinity: bool = False) -> Check:
    """The check for NaN, and for infinity where it is not allowed; errors begin with `label`."""

    def check(rows: Array, samples: Rows) -> None:
        if rows.dtype.kind != "f" or _is_finite(rows):
            return
        bad = np.isnan(rows) if infinity else ~np.isfinite(rows)
        if not bad.any():
            return
        nans = int(np.isnan(rows).sum())
        parts = [f"{count} {what}" for count, what in ((nans, "NaN"), (int(bad.sum()) - nans, "infinite")) if count]
        row, *place = map(int, np.argwhere(bad)[0])
        sample = samples.start + row if isinstance(samples, slice) else samples[row]
        raise ValueError(
            f"{label}: expected numbers, got {' and '.join(parts)}; drop or mend those samples, the first is sample "
            f"{sample}{f' at {tuple(place)}' if place else ''}."
        )

    return check


def _is_finite(rows: Array) -> bool:
    """Whether all are finite: in one fast pass where they lie in order and the sum of their squares is, too."""
    if rows.dtype in (np.float32, np.float64) and rows.flags.c_contiguous:
        numbers = rows.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(np.dot(numbers, numbers)):
                return True
    return math.isfinite(rows.min()) and math.isfinite(rows.max())  # NaN is passed on by both


class ColumnLike(Protocol):
    """What gives batches the rows of a slice or of indices."""

    def __len__(self) -> int: ...

    def rows(self, rows: slice) -> Array: ...

    def gathered(self, rows: Array, n_threads: int = 1, /) -> Array: ...


class Column:
    """The rows of a source as a model takes them: C-contiguous and of one dtype.

    Rows that lie so already are handed on as they are; others are cast on their way into a batch, whose memory the next
    batch overwrites. No row is read before its batch, but by the checks of an array in memory: those come first, so
    that an error leaves everything as it was. Of what lies in a file the shape is checked first and the numbers batch
    by batch.

    Parameters
    ----------
    source : ndarray or Stored
    dtype : optional
        Of the batches; that of the source where absent.
    *checks : callable
        Each raises a ValueError for rows that are not to be trained on.
    """

    def __init__(self, source: Evenly, dtype: Any = None, *checks: Check) -> None:
        self._source = source
        check_kind(source, dtype)
        self._dtype = np.dtype(dtype or source.dtype.newbyteorder("="))
        self._checks = checks
        self._memory: Array | None = None
        self._is_ready = isinstance(source, np.ndarray) and self._fits(source)
        step = max(1, CHECKED_NUMBERS // math.prod(source.shape[1:]))
        if isinstance(source, Stored):
            # zeros, which are fine wherever their shape is
            self._checked(np.broadcast_to(np.zeros((), self._dtype), (1, *source.shape[1:])), slice(0, 1))
        else:
            for start in range(0, len(source) if checks else 0, step):
                rows = slice(start, start + step)
                self._checked(source[rows], rows)

    def __len__(self) -> int:
        return len(self._source)

    def rows(self, rows: slice) -> Array:
        """A batch of rows that follow each other."""
        source = self._source
        if isinstance(source, Stored):
            return self._checked(self._cast(source.read(rows)), rows)
        return source[rows] if self._is_ready else self._cast(source[rows])

    def gathered(self, rows: Array, n_threads: int = 1) -> Array:
        """A batch of the rows with these indices."""
        source, memory = self._source, self._batch_memory(len(rows))
        if isinstance(source, Stored):
            places = rows.argsort()  # files are read from front to back
            memory[places] = source.read(rows[places])
            return self._checked(memory, rows)
        if self._is_ready:
            kernels.gather_rows(source, rows, memory, n_threads)
        elif source.flags.c_contiguous and source.flags.aligned:
            memory[...] = source.take(rows, axis=0)  # half the time of brackets; of others it would copy the whole
        else:
            memory[...] = source[rows]
        return memory

    def _fits(self, rows: Array) -> bool:
        """Whether kernels read these rows as they are."""
        return rows.dtype == self._dtype and rows.flags.c_contiguous and rows.flags.aligned and not rows.dtype.hasobject

    def _cast(self, rows: Array) -> Array:
        if self._fits(rows):
            return rows
        memory = self._batch_memory(len(rows))
        memory[...] = rows
        return memory

    def _batch_memory(self, count: int) -> Array:
        if self._memory is None or len(self._memory) < count:
            self._memory = np.empty((count, *self._source.shape[1:]), self._dtype)
        return self._memory[:count]

    def _checked(self, rows: Array, samples: Rows) -> Array:
        for check in self._checks:
            check(rows, samples)
        return rows
