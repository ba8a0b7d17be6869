"""What `predict` returns, as it comes batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru.types import Array


class Predictions:
    """The outputs of a model for batch after batch, each in one array.

    Parameters
    ----------
    size : int, optional
        How many samples will come; where nobody knows, the arrays double when they are full.

    Attributes
    ----------
    count : int
        Samples so far.
    """

    def __init__(self, size: int | None) -> None:
        self._size, self._arrays = size, []  # type: ignore[var-annotated]
        self.count = 0

    def add(self, parts: Sequence[Array], masks: Any = None) -> None:
        """Copy the outputs for a batch; `masks`, of sequences of unequal length, say which have steps."""
        start, stop = self.count, self.count + len(parts[0])
        if not self._arrays:
            self._arrays = [np.empty((self._size or stop, *part.shape[1:]), part.dtype) for part in parts]
        elif stop > len(self._arrays[0]):
            self._arrays = [_grown(array, start, max(stop, 2 * start)) for array in self._arrays]
        for array, part in zip(self._arrays, parts, strict=True):
            if part.shape[1:] != array.shape[1:]:
                raise ValueError(
                    f"predict: expected every batch to have outputs of one shape, got {array.shape[1:]} and "
                    f"{part.shape[1:]}; predict the batches one by one."
                )
            array[start:stop] = part
        self.count = stop

    def since(self, first: int) -> list[Any]:
        """The outputs from a sample on."""
        return [array[first : self.count] for array in self._arrays]

    def whole(self) -> list[Any]:
        """All outputs."""
        return self.since(0)


def _grown(array: Array, count: int, size: int) -> Array:
    """A longer array that begins with the first rows of this one."""
    longer = np.empty((size, *array.shape[1:]), array.dtype)
    longer[:count] = array[:count]
    return longer
