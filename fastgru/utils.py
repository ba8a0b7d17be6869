"""What a Keras user finds in `keras.utils`."""

from __future__ import annotations

import random as python_random

import numpy as np
import numpy.typing as npt

from fastgru import random
from fastgru.naming import forget_names

__all__ = ["clear_session", "set_random_seed", "to_categorical"]


def to_categorical(x: npt.ArrayLike, num_classes: int | None = None) -> npt.NDArray[np.float64]:
    """One row of zeros and a one for each label.

    Parameters
    ----------
    x : array_like of whole numbers
        Labels from 0 to ``num_classes - 1``, of any shape; a last axis of length 1 is dropped.
    num_classes : int, optional
        Length of the new last axis; one more than the largest label where absent.

    Returns
    -------
    (..., num_classes) float64 ndarray

    Raises
    ------
    ValueError
        A label is not a number, or there is none to tell `num_classes` from.
    IndexError
        A label is outside 0 to ``num_classes - 1`` (Keras counts negative ones from the end).
    """
    numbers = np.asarray(x)
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise ValueError("to_categorical: expected whole numbers as labels, got NaN or infinity.")
    labels = np.array(numbers, dtype=np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if not num_classes:
        if labels.size == 0:
            raise ValueError("to_categorical: expected at least one label or num_classes, got neither.")
        num_classes = int(labels.max()) + 1
    outside = labels[(labels < 0) | (labels >= num_classes)]
    if outside.size:
        raise IndexError(f"to_categorical: expected labels from 0 to {num_classes - 1}, got {outside.flat[0]}.")
    result = np.zeros((*labels.shape, num_classes))
    np.put_along_axis(result, labels[..., np.newaxis], 1, axis=-1)
    return result


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


def __dir__() -> list[str]:
    return __all__
