"""Labels as rows of zeros and a one, and vectors of length one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgru.types import Array

__all__ = ["normalize", "to_categorical"]


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


def normalize(x: npt.ArrayLike, axis: int = -1, order: int | float = 2) -> Array:
    """Divide by the norm along an axis; where that is 0, the zeros stay.

    Parameters
    ----------
    x : array_like
    axis : int
        Along which the norm is taken.
    order : int or float
        Of the norm: 2 is the Euclidean one, `numpy.inf` the largest absolute value.

    Returns
    -------
    ndarray of the shape of `x`
    """
    array = np.atleast_1d(np.asarray(x))
    norm = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(norm == 0, 1, norm)
