"""How many samples are in a batch."""

from __future__ import annotations

import math

import numpy as np

BATCH_SIZE = 32  # Keras's default


def batch_size_of(batch_size: int | None, count: int, steps: int | None = None) -> int:
    """The batch size in force: as asked, else what makes `steps` batches of `count` samples, else 32."""
    if batch_size is None and steps is None:
        return BATCH_SIZE
    for name, value in (("batch_size", batch_size), ("steps", steps)):
        if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
            raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}.")
    if batch_size is not None:
        return int(batch_size)
    assert steps is not None
    return math.ceil(count / steps)
