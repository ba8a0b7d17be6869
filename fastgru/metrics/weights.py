"""Sample weights and shapes of labels, as the metrics that are no means take them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgru.types import Array

__all__ = ["broadcast_weights", "check_rows"]


def broadcast_weights(sample_weight: npt.ArrayLike, shape: tuple[int, ...], where: str) -> Array:
    """Weights of every number of an array of a shape: one for all, for each sample, each sample and step, ...

    Raises
    ------
    ValueError
        The weights' axes are neither the first ones of the shape nor of length 1.
    """
    weights = np.asarray(sample_weight, "float64")
    if weights.ndim == len(shape) + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    try:
        return np.broadcast_to(weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim)), shape)
    except ValueError:
        raise ValueError(
            f"{where}: expected sample weights of shape {shape} or its first axes, got {weights.shape}."
        ) from None


def check_rows(y_true_shape: tuple[int, ...], y_pred_shape: tuple[int, ...], where: str) -> None:
    """ValueError unless labels and predictions have samples and outputs as their axes."""
    if len(y_true_shape) != 2 or tuple(y_true_shape) != tuple(y_pred_shape):
        raise ValueError(
            f"{where}: expected labels and predictions of one shape (samples, outputs), "
            f"got {tuple(y_true_shape)} and {tuple(y_pred_shape)}."
        )
