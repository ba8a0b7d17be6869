"""What is asked of arrays that come from outside, wherever they come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru.types import Array


def real_numbers(values: Any, where: str) -> Array:
    """`values` as an array of real numbers; a ValueError that begins with `where` for anything else.

    Iterators and data sets are refused before numpy iterates over them, perhaps without an end.
    """
    if type(values) is np.ndarray and values.dtype.kind in "fiub":
        return values
    if not (isinstance(values, (int, float, Sequence)) or hasattr(values, "__array__")):
        raise ValueError(f"{where}: expected real numbers, got {type(values).__name__}; give an array.")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{where}: expected an array, got nested lists of unequal lengths.") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{where}: expected real numbers, got {type(values).__name__} of dtype {array.dtype}.")
    return array
