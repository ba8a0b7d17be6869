"""How often predictions are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.losses.loss import same_shape
from fastgru.metrics.metric import KIND
from fastgru.metrics.reductions import MeanMetricWrapper
from fastgru.registry import registered
from fastgru.types import Array

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """1 where predictions equal labels, else 0; float32."""
    targets, predictions = same_shape(np.asarray(y_true), np.asarray(y_pred), "accuracy")
    return (targets == predictions).astype("float32")


def binary_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, threshold: float = 0.5) -> Array:
    """1 where ``y_pred > threshold`` equals the label, else 0; float32."""
    targets, predictions = same_shape(np.asarray(y_true), np.asarray(y_pred), "binary_accuracy")
    return ((predictions > threshold) == targets).astype("float32")


def categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """1 where label and prediction are largest at the same class, else 0; float32, without the last axis."""
    targets, predictions = same_shape(np.asarray(y_true), np.asarray(y_pred), "categorical_accuracy")
    return (targets.argmax(axis=-1) == predictions.argmax(axis=-1)).astype("float32")


def sparse_categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """1 where the prediction is largest at the class that the label numbers, else 0; float32.

    Labels have one axis less than predictions, or a last one of length 1.
    """
    targets, predictions = _class_numbers(y_true, y_pred, "sparse_categorical_accuracy")
    matches = (predictions.argmax(axis=-1) == targets).astype("float32")
    return matches[..., 0] if matches.ndim > 1 and matches.shape[-1] == 1 else matches


def _class_numbers(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, where: str) -> tuple[Array, Array]:
    targets, predictions = np.asarray(y_true), np.asarray(y_pred)
    if targets.ndim == predictions.ndim and targets.shape[-1] == 1:
        targets = targets[..., 0]
    if targets.shape != predictions.shape[:-1]:
        raise ValueError(
            f"{where}: expected one class number for each prediction, of shape {predictions.shape[:-1]}, "
            f"got {targets.shape}."
        )
    return targets, predictions


def top_k_categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, k: int = 5) -> Array:
    """1 where less than `k` predictions exceed that of the largest label's class, else 0; float32."""
    targets, predictions = same_shape(np.asarray(y_true), np.asarray(y_pred), "top_k_categorical_accuracy")
    return _in_top_k(targets.argmax(axis=-1), predictions, k)


def sparse_top_k_categorical_accuracy(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """1 where less than `k` predictions exceed that of the class that the label numbers, else 0; float32.

    With `from_sorted_ids` the predictions are class numbers, the likeliest first, of which the first `k` count.
    """
    targets, predictions = _class_numbers(y_true, y_pred, "sparse_top_k_categorical_accuracy")
    if from_sorted_ids:
        matches = (predictions[..., :k] == targets[..., np.newaxis]).any(axis=-1).astype("float32")
    else:
        matches = _in_top_k(targets, predictions, k)
    # as in Keras, the shape of the labels
    return matches.reshape(np.shape(y_true))


def _in_top_k(targets: Array, predictions: Array, k: int) -> Array:
    """As in Keras, a class counts that shares the k-th place; a number that is no class never does."""
    classes = predictions.shape[-1]
    labels = targets.astype("int64")[..., np.newaxis]
    is_class = ((labels >= 0) & (labels < classes))[..., 0]
    at_label = np.take_along_axis(predictions, np.clip(labels, 0, classes - 1), axis=-1)
    at_label = np.where(np.isnan(at_label), -np.inf, at_label)
    return (((predictions > at_label).sum(axis=-1) < k) & is_class).astype("float32")


@registered(KIND)
class Accuracy(MeanMetricWrapper):
    """How often predictions equal labels."""

    direction = "up"

    def __init__(self, name: str | None = "accuracy", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(accuracy, name, dtype)


@registered(KIND)
class BinaryAccuracy(MeanMetricWrapper):
    """How often ``y_pred > threshold`` equals the label."""

    direction = "up"

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: npt.DTypeLike | None = None, threshold: float = 0.5
    ) -> None:
        checks.number(threshold, "BinaryAccuracy", "threshold")
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "threshold": self.threshold}


@registered(KIND)
class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is at the largest (one-hot) label."""

    direction = "up"

    def __init__(self, name: str | None = "categorical_accuracy", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


@registered(KIND)
class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is at the class that the label numbers."""

    direction = "up"

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


@registered(KIND)
class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class of the largest (one-hot) label is among the `k` likeliest."""

    direction = "up"

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: npt.DTypeLike | None = None
    ) -> None:
        self.k = checks.positive_integer(k, "TopKCategoricalAccuracy", "k")
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}


@registered(KIND)
class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class that the label numbers is among the `k` likeliest.

    Parameters
    ----------
    k : int
    name, dtype
        See `Metric`.
    from_sorted_ids : bool
        The predictions are the numbers of the likeliest classes, (..., at least k), the likeliest first, and not the
        scores of all classes.
    """

    direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: npt.DTypeLike | None = None,
        from_sorted_ids: bool = False,
    ) -> None:
        self.k = checks.positive_integer(k, "SparseTopKCategoricalAccuracy", "k")
        self.from_sorted_ids = checks.flag(from_sorted_ids, "SparseTopKCategoricalAccuracy", "from_sorted_ids")
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)

    def get_config(self) -> dict[str, Any]:
        # as in Keras, which writes the second where it is so
        return {**super().get_config(), "k": self.k} | ({"from_sorted_ids": True} if self.from_sorted_ids else {})
