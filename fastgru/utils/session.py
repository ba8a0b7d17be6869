"""The state that is global in a process: random numbers and automatic names."""

from __future__ import annotations

import random as python_random

import numpy as np

from fastgru import random
from fastgru.naming import forget_names

__all__ = ["clear_session", "set_random_seed"]


def set_random_seed(seed: int) -> None:
    """Seed Python's `random`, numpy's global generator and fastgru's own stream.

    Raises
    ------
    ValueError
        `seed` is not a whole number from 0 to 2**32 - 1 (what numpy's global generator takes).
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed: expected a whole number from 0 to 2**32 - 1, got {seed!r}.")
    python_random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - user code may draw from numpy's global generator
    random.seed_stream(seed)


def clear_session(free_memory: bool = True) -> None:
    """Let automatic layer names start anew; fastgru keeps no other global state (`free_memory` is Keras's)."""
    forget_names()
