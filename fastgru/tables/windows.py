"""Windows over rows: cut when their batch is asked for, never across gaps, series or the parts of a split."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.types import Array


class Windows:
    """Windows of equally many rows as an array that holds none of them; `fit` reads its rows batch by batch.

    Parameters
    ----------
    rows : (N, ...) ndarray
    starts : (W,) int ndarray
        The first row of each window.
    length : int
        Rows of a window.
    """

    def __init__(self, rows: Array, starts: Array, length: int) -> None:
        self.rows, self.starts, self.steps = rows, starts, np.arange(length)
        self.shape = (len(starts), length, *rows.shape[1:])
        self.dtype = rows.dtype

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Any) -> Array:
        return self.rows[self.starts[index][..., np.newaxis] + self.steps]


def starts(follows: Array, usable: Array, part: Array, length: int) -> Array:
    """(W,) int ndarray: the first rows of all windows that lie whole in what belongs to one another.

    Parameters
    ----------
    follows : (N,) bool ndarray
        Whether a row comes one step behind the row before it, in the same series.
    usable : (N,) bool ndarray
        Whether nothing is missing in a row.
    part : (N,) int ndarray
        Of the split: which part a row is in.
    length : int
        Rows of a window.
    """
    broken = ~follows
    broken[1:] |= part[1:] != part[:-1]
    # a window from i on is whole where no row from i + 1 to i + length - 1 begins anew and none is unusable
    breaks, unusable = np.cumsum(broken), np.cumsum(~usable)
    last = np.arange(length - 1, len(follows))
    first = last - (length - 1)
    whole = (breaks[last] == breaks[first]) & (unusable[last] == unusable[first]) & usable[first]
    return first[whole]
