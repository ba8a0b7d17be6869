"""Which rows a model is trained on, which stop the training, and which test it."""

from __future__ import annotations

import numpy as np

from fastgru.tables.series import Series
from fastgru.types import Array

PARTS = ("training", "validation", "test")
TRAINING, VALIDATION, TEST = range(3)


def in_time(series: Series, shares: tuple[float, float, float]) -> Array:
    """(N,) int ndarray: the part of each row; all rows of one time are in one part, and later ones in later parts."""
    if series.times is None:
        return _cut(np.arange(len(series)), shares)
    ordered = np.sort(series.times)
    cuts = [ordered[min(int(edge * len(ordered)), len(ordered) - 1)] for edge in _edges(shares)]
    return np.searchsorted(np.array(cuts), series.times, side="right")


def drawn(count: int, shares: tuple[float, float, float], seed: int) -> Array:
    """(count,) int ndarray: the part of each of samples that have no order."""
    part = np.empty(count, np.int64)
    order = np.random.default_rng(seed).permutation(count)
    part[order] = _cut(np.arange(count), shares)
    return part


def _edges(shares: tuple[float, float, float]) -> Array:
    return np.cumsum(shares)[:2] / sum(shares)


def _cut(rows: Array, shares: tuple[float, float, float]) -> Array:
    return np.searchsorted(np.rint(_edges(shares) * len(rows)), rows, side="right")
