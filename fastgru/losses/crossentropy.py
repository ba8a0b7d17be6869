"""Losses of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import activations, checks, kernels
from fastgru.losses.loss import KIND, Loss, Pullback, SameShapeLoss, as_float, spread
from fastgru.naming import snake_case
from fastgru.registry import registered
from fastgru.types import Array

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
]


def _classes_last(array: Array, axis: int) -> Array:
    return array if axis == -1 else np.moveaxis(array, axis, -1)


def _rows_of_classes(array: Array, axis: int) -> Array:
    """An array as rows (N, classes), as the kernels read it."""
    array = _classes_last(array, axis)
    return kernels.contiguous(array if array.ndim == 2 else array.reshape(-1, array.shape[-1]))


def _shaped(losses: Array, pull_rows: Pullback, shape: tuple[int, ...], axis: int) -> tuple[Array, Pullback]:
    """Losses of rows and their pullback; `shape` is that of the predictions with their classes last."""

    def pull(d: Any) -> Array:
        if not isinstance(d, float):
            d = np.asarray(d, losses.dtype).reshape(-1, 1)
        gradient = pull_rows(d).reshape(shape)
        return gradient if axis == -1 else np.moveaxis(gradient, -1, axis)

    return losses.reshape(shape[:-1]), pull


def _of_rows(
    kernel: Callable[[Array, Array, Array, Array], Any], y_true: Array, y_pred: Array, axis: int
) -> tuple[Array, Pullback]:
    """What a kernel computes of predictions with their classes along an axis, and of labels of the same shape."""
    rows = _rows_of_classes(y_pred, axis)
    losses, gradient = np.empty(len(rows), rows.dtype), np.empty(rows.shape, rows.dtype)
    kernel(_rows_of_classes(y_true, axis), rows, losses, gradient)
    return _shaped(losses, lambda d: gradient * d, _classes_last(y_pred, axis).shape, axis)


class _Crossentropy(SameShapeLoss):
    """What the cross-entropies with a label for each prediction share: their options."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name or snake_case(type(self).__name__), reduction, dtype)
        self.from_logits = checks.flag(from_logits, type(self).__name__, "from_logits")
        self.label_smoothing = checks.rate(label_smoothing, type(self).__name__, "label_smoothing")
        self.axis = checks.integer(axis, type(self).__name__, "axis")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
        }


@registered(KIND, "bce", "BCE")
class BinaryCrossentropy(_Crossentropy):
    """``-mean(t log p + (1 - t) log(1 - p))`` over an axis, with labels t of 0 or 1.

    Parameters
    ----------
    from_logits : bool
        The predictions are logits, p = sigmoid(y_pred).
    label_smoothing : float
        From 0 to 1: labels are moved towards 1/2 by that part.
    axis : int
    reduction, name, dtype
        See `Loss`.
    """

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        axis = self.axis
        t = y_true * (1 - self.label_smoothing) + 0.5 * self.label_smoothing if self.label_smoothing else y_true
        if self.from_logits:
            # -log sigmoid(x) = softplus(x) - x
            n = y_pred.shape[axis]
            losses = activations.softplus(y_pred) - t * y_pred
            return losses.sum(axis=axis) / n, lambda d: (activations.sigmoid(y_pred) - t) * spread(1 / n * d, axis)
        return _of_rows(kernels.module(y_pred.dtype).binary_crossentropy, t, y_pred, axis)


@registered(KIND)
class CategoricalCrossentropy(_Crossentropy):
    """``-sum(t log p)`` over the classes, with a label t for each class (one-hot).

    Parameters
    ----------
    from_logits : bool
        The predictions are logits, p = softmax(y_pred); else they are divided by their sum.
    label_smoothing : float
        From 0 to 1: labels are moved towards 1 / classes by that part.
    axis : int
        Of the classes.
    reduction, name, dtype
        See `Loss`.
    """

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        axis = self.axis
        t = y_true
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + self.label_smoothing / t.shape[-1]
        if self.from_logits:
            log_p = activations.log_softmax(y_pred, axis=axis)
            losses = -(t * log_p).sum(axis=axis)
            return losses, lambda d: (np.exp(log_p) * t.sum(axis=axis, keepdims=True) - t) * spread(d, axis)
        return _of_rows(kernels.module(y_pred.dtype).categorical_crossentropy, t, y_pred, axis)


@registered(KIND)
class SparseCategoricalCrossentropy(Loss):
    """``-log p[y_true]`` with class numbers from 0 as labels.

    Parameters
    ----------
    from_logits : bool
        The predictions are logits, p = softmax(y_pred); else they are divided by their sum.
    ignore_class : int, optional
        Labels that do not count.
    reduction : str or None
        See `Loss`.
    axis : int
        Of the classes.
    name, dtype
        See `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = checks.flag(from_logits, type(self).__name__, "from_logits")
        self.ignore_class = checks.optional(checks.integer)(ignore_class, type(self).__name__, "ignore_class")
        self.axis = checks.integer(axis, type(self).__name__, "axis")

    def _as_pair(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Array, Array]:
        """Class numbers of shape (...), and predictions (..., classes)."""
        predictions = _classes_last(as_float(y_pred, self.dtype), self.axis)
        labels = np.asarray(y_true)
        if labels.ndim == predictions.ndim:
            labels = _classes_last(labels, self.axis)
            labels = labels[..., 0] if labels.shape[-1] == 1 else labels
        if labels.shape != predictions.shape[:-1]:
            raise ValueError(
                f"Loss {self.name!r}: expected one class number for each prediction, shape {predictions.shape[:-1]}, "
                f"got {labels.shape}."
            )
        self._refuse_nan(labels)
        classes = labels.astype(np.int64, copy=False)
        if classes is not labels and (classes != labels).any():
            wrong = labels[classes != labels].flat[0]
            raise ValueError(f"Loss {self.name!r}: expected whole numbers as labels, got {wrong}.")
        return classes, predictions

    def check(self, y_true: npt.ArrayLike, y_pred_shape: tuple[int, ...]) -> None:
        labels, predictions = self._as_pair(y_true, np.broadcast_to(np.float32(0), y_pred_shape))
        mask = self._label_mask(labels)
        self._refuse_unknown(labels if mask is None else labels[mask], predictions.shape[-1])

    def _refuse_unknown(self, labels: Array, classes: int) -> None:
        wrong = labels[(labels < 0) | (labels >= classes)]
        if wrong.size:
            raise ValueError(f"Loss {self.name!r}: expected labels from 0 to {classes - 1}, got {wrong.flat[0]}.")

    def _label_mask(self, targets: Array) -> Array | None:
        return None if self.ignore_class is None else targets != self.ignore_class

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        labels, rows = kernels.contiguous(y_true).reshape(-1), _rows_of_classes(y_pred, -1)
        mask = self._label_mask(labels)
        if mask is not None:
            labels = np.where(mask, labels, 0)
        if self.from_logits:
            self._refuse_unknown(labels, rows.shape[1])
            log_p = activations.log_softmax(rows)
            picked = (np.arange(len(labels)), labels)
            losses, gradient = -log_p[picked], np.exp(log_p)
            gradient[picked] -= 1
        else:
            losses, gradient = np.empty(len(rows), rows.dtype), np.empty(rows.shape, rows.dtype)
            if not kernels.module(rows.dtype).sparse_categorical_crossentropy(labels, rows, losses, gradient):
                self._refuse_unknown(labels, rows.shape[1])
        if mask is not None:
            losses = np.where(mask, losses, 0)
            gradient *= mask[:, np.newaxis]
        return _shaped(losses, lambda d: gradient * d, y_pred.shape, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits, "ignore_class": self.ignore_class}


def binary_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`BinaryCrossentropy` of every sample."""
    return BinaryCrossentropy(from_logits, label_smoothing, axis, reduction=None)(y_true, y_pred)


def categorical_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`CategoricalCrossentropy` of every sample."""
    return CategoricalCrossentropy(from_logits, label_smoothing, axis, reduction=None)(y_true, y_pred)


def sparse_categorical_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """`SparseCategoricalCrossentropy` of every sample."""
    loss = SparseCategoricalCrossentropy(from_logits, ignore_class, reduction=None, axis=axis)
    return loss(y_true, y_pred)
