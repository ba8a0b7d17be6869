"""Arrays of the same numbers in memory that kernels cannot read as it is."""

from __future__ import annotations

import numpy as np


def with_gaps(a: np.ndarray) -> np.ndarray:
    return np.repeat(a, 2, axis=-1)[..., ::2]


def not_aligned(a: np.ndarray) -> np.ndarray:
    """It begins a byte behind where the processor wants it, as in a file with a header of odd length."""
    return np.frombuffer(bytearray(b"x" + a.tobytes()), a.dtype, offset=1).reshape(a.shape)


ARRANGEMENTS = {"by columns": np.asfortranarray, "with gaps": with_gaps, "not aligned": not_aligned}
