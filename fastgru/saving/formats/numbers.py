"""Numbers as they stand in files, one after the other."""

from __future__ import annotations

import numpy as np

from fastgru.saving.stored import Array

BFLOAT16 = "bfloat16"  # the upper half of a float32, which numpy does not have


def from_bytes(data: bytes | memoryview, dtype: str, shape: tuple[int, ...]) -> Array:
    """The array in bytes."""
    if dtype == BFLOAT16:
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape)


def item_size(dtype: str) -> int:
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize


def is_real(dtype: str) -> bool:
    """Whether these are real numbers, as weights are, and not counts or seeds."""
    return dtype == BFLOAT16 or np.dtype(dtype).kind == "f"
