"""Intersection over union: ``tp / (tp + fp + fn)`` of classes, from a confusion matrix."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.autodiff import Tensor
from fastgru.kernels import EPSILON
from fastgru.metrics.metric import KIND, Metric
from fastgru.metrics.variable import as_result
from fastgru.metrics.weights import broadcast_weights
from fastgru.registry import registered

__all__ = ["BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"]


@registered(KIND)
class IoU(Metric):
    """The mean of the intersections over unions of some classes; classes that never occur do not count.

    Parameters
    ----------
    num_classes : int
        Numbers of other classes in labels and predictions do not count.
    target_class_ids : sequence of int
        The classes of the mean.
    name : str, optional
    dtype : str, optional
        Of the counts and so of the weights; "int32" where absent, as in Keras, which cuts weights to whole numbers.
    ignore_class : int, optional
        Labels that do not count.
    sparse_y_true, sparse_y_pred : bool
        They are class numbers, and not a score for each class along `axis`.
    axis : int
    """

    direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        where = type(self).__name__
        self.num_classes = checks.positive_integer(num_classes, where, "num_classes")
        self.target_class_ids = list(checks.listed(target_class_ids, where, "target_class_ids"))
        known = [checks.is_not_negative(number) and number < num_classes for number in self.target_class_ids]
        if not known or not all(known):
            raise ValueError(
                f"{where}: target_class_ids must be numbers from 0 to {num_classes - 1}, got {target_class_ids!r}."
            )
        super().__init__(dtype or "int", name)
        self.ignore_class = checks.optional(checks.integer)(ignore_class, where, "ignore_class")
        self.sparse_y_true = checks.flag(sparse_y_true, type(self).__name__, "sparse_y_true")
        self.sparse_y_pred = checks.flag(sparse_y_pred, type(self).__name__, "sparse_y_pred")
        self.axis = checks.integer(axis, type(self).__name__, "axis")
        self.total_cm = self.add_variable((num_classes, num_classes), dtype="float64", name="total_confusion_matrix")

    def update_state(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        """Take labels and predictions of a batch into account, perhaps weighted as `Precision` takes weights."""
        targets = np.asarray(y_true) if self.sparse_y_true else np.argmax(y_true, axis=self.axis)
        predictions = np.asarray(y_pred) if self.sparse_y_pred else np.argmax(y_pred, axis=self.axis)
        if targets.size != predictions.size:
            raise ValueError(
                f"Metric {self.name!r}: expected as many labels as predictions, got {targets.shape} and "
                f"{predictions.shape}."
            )
        weights = None if sample_weight is None else self._weights(sample_weight, targets.shape)
        targets, predictions = (array.ravel().astype("int64") for array in (targets, predictions))
        counts = (targets >= 0) & (targets < self.num_classes) & (predictions >= 0) & (predictions < self.num_classes)
        if self.ignore_class is not None:
            counts &= targets != self.ignore_class
        cells = (targets * self.num_classes + predictions)[counts]
        sums = np.bincount(cells, None if weights is None else weights.ravel()[counts], self.num_classes**2)
        self.total_cm.assign_add(sums.reshape(self.total_cm.shape))

    def _weights(self, sample_weight: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        weights = broadcast_weights(sample_weight, shape, f"Metric {self.name!r}")
        whole = not self.dtype.startswith("float")
        if whole and np.asarray(sample_weight).dtype.kind == "f":
            warnings.warn(
                f"Metric {self.name!r}: sample weights are float and the dtype is {self.dtype}; casting cuts them to "
                "whole numbers; give dtype='float32'.",
                stacklevel=4,
            )
        return np.trunc(weights) if whole else weights

    def result(self) -> Tensor:
        """The mean; float32, as in Keras."""
        matrix = self.total_cm.value
        hits = np.diag(matrix)[self.target_class_ids]
        union = (matrix.sum(axis=0) + matrix.sum(axis=1))[self.target_class_ids] - hits
        occurs = union > 1e-9
        quotients = np.where(occurs, hits / (union + EPSILON), 0.0)
        return as_result(quotients.sum() / (occurs.sum() + EPSILON), "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{name: getattr(self, name) for name in self._options()}}

    def _options(self) -> tuple[str, ...]:
        """What stands in the config."""
        return ("num_classes", "target_class_ids", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")


@registered(KIND)
class BinaryIoU(IoU):
    """`IoU` of the classes 0 and 1, or of one of them, where predictions from `threshold` on are of class 1.

    Parameters
    ----------
    target_class_ids : sequence of int
        [0], [1] or both.
    threshold : float
    name, dtype
        See `IoU`.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = checks.number(threshold, "BinaryIoU", "threshold")

    def update_state(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        super().update_state(y_true, np.asarray(y_pred, "float32") >= self.threshold, sample_weight)

    update_state.__doc__ = IoU.update_state.__doc__

    def _options(self) -> tuple[str, ...]:
        return ("target_class_ids", "threshold")


@registered(KIND)
class MeanIoU(IoU):
    """`IoU` of all classes."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        classes = range(checks.positive_integer(num_classes, type(self).__name__, "num_classes"))
        super().__init__(num_classes, classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def _options(self) -> tuple[str, ...]:
        return ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")


@registered(KIND)
class OneHotIoU(IoU):
    """`IoU` with one-hot labels, and with a score for each class as predictions unless `sparse_y_pred`."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def _options(self) -> tuple[str, ...]:
        return ("num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis")


@registered(KIND)
class OneHotMeanIoU(MeanIoU):
    """`OneHotIoU` of all classes."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def _options(self) -> tuple[str, ...]:
        return ("num_classes", "ignore_class", "sparse_y_pred", "axis")
