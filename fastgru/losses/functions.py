"""The formulas of losses and metrics that have one value for each sample, as functions of labels and predictions.

Each takes ``y_true`` and ``y_pred`` of one shape (a last axis of length 1 may be missing in one of them), computes in
the predictions' float dtype, and takes the last axis together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgru import activations
from fastgru.kernels import EPSILON
from fastgru.losses.loss import as_float, same_shape
from fastgru.types import Array

__all__ = [
    "binary_focal_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "squared_hinge",
]


def _pair(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, name: str) -> tuple[Array, Array]:
    predictions = as_float(y_pred)
    return same_shape(np.asarray(y_true, predictions.dtype), predictions, name)


# --- errors -----------------------------------------------------------------------------------------------------------


def mean_absolute_percentage_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """``100 mean(abs((y_true - y_pred) / y_true))``, with a divisor of at least 1e-7."""
    t, p = _pair(y_true, y_pred, "mean_absolute_percentage_error")
    return 100 * np.abs((t - p) / np.maximum(np.abs(t), EPSILON)).mean(axis=-1)


def mean_squared_logarithmic_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """``mean((log(y_true + 1) - log(y_pred + 1)) ** 2)``; what is below 1e-7 counts as that."""
    t, p = _pair(y_true, y_pred, "mean_squared_logarithmic_error")
    return np.square(np.log(np.maximum(p, EPSILON) + 1) - np.log(np.maximum(t, EPSILON) + 1)).mean(axis=-1)


def huber(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, delta: float = 1.0) -> Array:
    """The mean of ``error ** 2 / 2`` up to `delta`, and of ``delta abs(error) - delta ** 2 / 2`` beyond."""
    t, p = _pair(y_true, y_pred, "huber")
    size = np.abs(p - t)
    return np.where(size <= delta, 0.5 * np.square(size), delta * size - 0.5 * delta**2).mean(axis=-1)


def log_cosh(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """``mean(log(cosh(y_pred - y_true)))``."""
    t, p = _pair(y_true, y_pred, "log_cosh")
    size = np.abs(p - t)
    # log(cosh(e)) = abs(e) + log(1 + exp(-2 abs(e))) - log(2), which does not overflow
    return (size + np.log1p(np.exp(-2 * size)) - np.log(2).astype(p.dtype)).mean(axis=-1)


def cosine_similarity(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, axis: int = -1) -> Array:
    """Minus the cosine of the angle between labels and predictions along an axis: -1 where they point alike."""
    t, p = (_normalized(array, axis) for array in _pair(y_true, y_pred, "cosine_similarity"))
    return -(t * p).sum(axis=axis)


def _normalized(x: Array, axis: int) -> Array:
    return x / np.maximum(np.sqrt(np.square(x).sum(axis=axis, keepdims=True)), EPSILON)


# --- distributions ----------------------------------------------------------------------------------------------------


def kl_divergence(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """``sum(y_true log(y_true / y_pred))`` of probabilities, which are clipped to [1e-7, 1]."""
    t, p = (np.clip(array, EPSILON, 1) for array in _pair(y_true, y_pred, "kl_divergence"))
    return (t * np.log(t / p)).sum(axis=-1)


def poisson(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """``mean(y_pred - y_true log(y_pred + 1e-7))``."""
    t, p = _pair(y_true, y_pred, "poisson")
    return (p - t * np.log(p + EPSILON)).mean(axis=-1)


# --- margins ----------------------------------------------------------------------------------------------------------


def hinge(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """``mean(max(1 - y_true y_pred, 0))``, with labels of -1 and 1, or all of 0 and 1, where 0 stands for -1."""
    return _margins(y_true, y_pred, "hinge").mean(axis=-1)


def squared_hinge(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """``mean(max(1 - y_true y_pred, 0) ** 2)``, with labels as for `hinge`."""
    return np.square(_margins(y_true, y_pred, "squared_hinge")).mean(axis=-1)


def _margins(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, name: str) -> Array:
    t, p = _pair(y_true, y_pred, name)
    if ((t == 0) | (t == 1)).all():
        t = 2 * t - 1
    return np.maximum(1 - t * p, 0)


def categorical_hinge(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """``max(max((1 - y_true) y_pred) - sum(y_true y_pred) + 1, 0)``, with one-hot labels."""
    t, p = _pair(y_true, y_pred, "categorical_hinge")
    return np.maximum(((1 - t) * p).max(axis=-1) - (t * p).sum(axis=-1) + 1, 0)


# --- focal cross-entropies (https://arxiv.org/abs/1708.02002) ---------------------------------------------------------


def binary_focal_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """The mean over an axis of the binary cross-entropy times ``(1 - p_t) ** gamma``.

    Here p_t is the probability of the label that is there. With `apply_class_balancing` labels of 1 weigh `alpha` and
    those of 0 ``1 - alpha``.
    """
    t, p = _pair(y_true, y_pred, "binary_focal_crossentropy")
    if label_smoothing:
        t = t * (1 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        p = activations.sigmoid(p)
    clipped = np.clip(p, EPSILON, 1 - EPSILON)
    crossentropy = -(t * np.log(clipped) + (1 - t) * np.log(1 - clipped))
    values = np.power(1 - (t * p + (1 - t) * (1 - p)), gamma) * crossentropy
    if apply_class_balancing:
        values = values * (t * alpha + (1 - t) * (1 - alpha))
    return values.mean(axis=axis)


def categorical_focal_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    alpha: float | npt.ArrayLike = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """``-sum(alpha (1 - p) ** gamma t log(p))`` over the classes, with a label t for each class (one-hot).

    `alpha` is a number, or one for each class.
    """
    t, p = _pair(y_true, y_pred, "categorical_focal_crossentropy")
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / t.shape[-1]
    if from_logits:
        p = activations.softmax(p, axis=axis)
    p = np.clip(p / p.sum(axis=axis, keepdims=True), EPSILON, 1 - EPSILON)
    return -(np.power(1 - p, gamma) * np.asarray(alpha, p.dtype) * t * np.log(p)).sum(axis=axis)
