"""Gradients that are too long, cut in place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastgru.types import Array

__all__ = ["clip", "norm"]


def norm(values: Array, scratch: Array | None = None) -> float:
    """The length of an array as a vector; `scratch` may be written."""
    # not np.dot: BLAS may cut it by the number of threads, and the bits with it
    return math.sqrt(float(np.square(values, out=scratch).sum()))


def clip(
    gradients: Array,
    views: Sequence[Array],
    clipnorm: float | None = None,
    global_clipnorm: float | None = None,
    clipvalue: float | None = None,
) -> None:
    """Cut gradients, of which at most one option says how.

    Parameters
    ----------
    gradients : (n,) ndarray
    views : list of ndarray
        Its parts, one for each weight.
    clipnorm, global_clipnorm : float, optional
        Longest gradient of a weight, and of all weights as one vector.
    clipvalue : float, optional
        Largest absolute value.
    """
    if clipnorm:
        for view in views:
            view *= clipnorm / max(norm(view), clipnorm)
    elif global_clipnorm:
        length = norm(gradients)
        # an infinite norm makes everything NaN, as in Keras, where scaling alone would hide it
        gradients *= global_clipnorm / max(length, global_clipnorm) + (length - length)
    elif clipvalue:
        np.clip(gradients, -clipvalue, clipvalue, out=gradients)
