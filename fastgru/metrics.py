"""Keras's metrics: means over all samples since the last reset."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from fastgru import losses, registry
from fastgru.losses import Loss, same_rank
from fastgru.naming import snake_case, unique_name
from fastgru.registry import Identifier, registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "get",
    "resolve",
    "sparse_categorical_accuracy",
]

KIND = "keras.metrics"


class Metric:
    """Base of all metrics.

    Attributes
    ----------
    name : str
    direction : {"up", "down"} or None
        Which way is better; None where that cannot be told.
    """

    direction: str | None = None

    def __init__(self, dtype: npt.DTypeLike | None = None, name: str | None = None) -> None:
        self.name = name or unique_name(type(self).__name__)
        self.dtype = dtype or "float32"

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take a batch into account."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_state.")

    def result(self) -> float:
        """The value for all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} does not define result.")

    def reset_state(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} does not define reset_state.")

    def __call__(self, *args: Any, **kwargs: Any) -> float:
        """`update_state`, then `result`."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """Keras 3's config."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


@registered(KIND)
class Mean(Metric):
    """The mean of all values, with or without weights; 0 before the first."""

    def __init__(self, name: str | None = "mean", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(dtype, name)
        self.reset_state()

    def update_state(self, values: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> None:
        """Add values: a number, or an array with the samples along its first axis.

        Parameters
        ----------
        values : array_like
        sample_weight : array_like, optional
            Of the values' first axes: one weight a sample, or one a sample and step, ...
        """
        array = np.asarray(values)
        if sample_weight is not None:
            total, count = _weighted_sum(array, np.asarray(sample_weight, "float64"), self.name)
        else:
            count = float(len(array)) if array.ndim else 1.0
            sum_ = float(np.count_nonzero(array) if array.dtype == bool else array.sum())
            total = sum_ if array.ndim < 2 else sum_ / max(1, math.prod(array.shape[1:]))
        self.total += total
        self.count += count

    def result(self) -> float:
        return self.total / self.count if self.count else 0.0

    def reset_state(self) -> None:
        self.total = 0.0
        self.count = 0.0


def _weighted_sum(values: Array, weights: Array, name: str) -> tuple[float, float]:
    """Sum of weighted values and of the weights, both as means over all axes but the first."""
    values, weights = same_rank(values, weights)
    if values.ndim > weights.ndim:
        values = values.mean(axis=tuple(range(weights.ndim, values.ndim)), dtype="float64")
    try:
        weights = np.broadcast_to(weights, values.shape)
    except ValueError:
        raise ValueError(
            f"Metric {name!r}: expected sample weights of shape {values.shape} or its first axes, got {weights.shape}."
        ) from None
    per_sample = math.prod(values.shape[1:]) or 1
    return float((values * weights).sum()) / per_sample, float(weights.sum()) / per_sample


@registered(KIND)
class MeanMetricWrapper(Mean):
    """The mean of a function ``(y_true, y_pred) -> values``."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: npt.DTypeLike | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name or snake_case(getattr(fn, "__name__", type(fn).__name__)), dtype)
        self._function = fn
        self._options = kwargs

    def update_state(  # type: ignore[override]
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        """Take labels and predictions of a batch into account, perhaps with one weight for each sample."""
        super().update_state(self._function(y_true, y_pred, **self._options), sample_weight)

    def get_config(self) -> dict[str, Any]:
        if type(self) is MeanMetricWrapper:
            raise ValueError(f"Metric {self.name!r}: a Python function cannot be written to a config.")
        return super().get_config()


def _pair(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, name: str) -> tuple[Array, Array]:
    targets, predictions = same_rank(np.asarray(y_true), np.asarray(y_pred))
    if targets.shape != predictions.shape:
        raise ValueError(f"{name}: expected labels of the predictions' shape {predictions.shape}, got {targets.shape}.")
    return targets, predictions


def accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Where predictions equal labels; bool."""
    targets, predictions = _pair(y_true, y_pred, "accuracy")
    return np.equal(targets, predictions)


def binary_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, threshold: float = 0.5) -> Array:
    """Where ``y_pred > threshold`` equals the label; bool."""
    targets, predictions = _pair(y_true, y_pred, "binary_accuracy")
    return np.equal(predictions > threshold, targets)


def categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Where label and prediction are largest at the same class; bool."""
    targets, predictions = _pair(y_true, y_pred, "categorical_accuracy")
    return np.equal(targets.argmax(axis=-1), predictions.argmax(axis=-1))


def sparse_categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Where the prediction is largest at the class that the label numbers; bool."""
    targets, predictions = np.asarray(y_true), np.asarray(y_pred)
    if targets.ndim == predictions.ndim and targets.shape[-1] == 1:
        targets = targets[..., 0]
    if targets.shape != predictions.shape[:-1]:
        raise ValueError(
            f"sparse_categorical_accuracy: expected one class number for each prediction, of shape "
            f"{predictions.shape[:-1]}, got {targets.shape}."
        )
    matches = np.equal(predictions.argmax(axis=-1), targets)
    return matches[..., 0] if matches.ndim > 1 and matches.shape[-1] == 1 else matches


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


class _MeanLoss(MeanMetricWrapper):
    """The mean of a loss."""

    direction = "down"

    def __init__(self, loss: Loss, name: str | None, dtype: npt.DTypeLike | None) -> None:
        super().__init__(loss.call, name or loss.name, dtype)


@registered(KIND, "mse", "MSE")
class MeanSquaredError(_MeanLoss):
    """The mean of squared errors."""

    def __init__(self, name: str | None = "mean_squared_error", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.MeanSquaredError(), name, dtype)


@registered(KIND, "mae", "MAE")
class MeanAbsoluteError(_MeanLoss):
    """The mean of absolute errors."""

    def __init__(self, name: str | None = "mean_absolute_error", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.MeanAbsoluteError(), name, dtype)


@registered(KIND, "bce", "BCE")
class BinaryCrossentropy(_MeanLoss):
    """The mean of `losses.BinaryCrossentropy`."""

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: npt.DTypeLike | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(losses.BinaryCrossentropy(from_logits, label_smoothing), name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits, "label_smoothing": self.label_smoothing}


@registered(KIND)
class CategoricalCrossentropy(_MeanLoss):
    """The mean of `losses.CategoricalCrossentropy`."""

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: npt.DTypeLike | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.CategoricalCrossentropy(from_logits, label_smoothing, axis), name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
        }


@registered(KIND)
class SparseCategoricalCrossentropy(_MeanLoss):
    """The mean of `losses.SparseCategoricalCrossentropy`.

    As in Keras, ignored labels leave the count only where sample weights are given.
    """

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: npt.DTypeLike | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis), name, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def update_state(  # type: ignore[override]
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        if sample_weight is not None and self.ignore_class is not None:
            counted = np.not_equal(y_true, self.ignore_class)
            weights = np.asarray(sample_weight)
            if counted.ndim == np.ndim(y_pred):
                counted = counted[..., 0]
            sample_weight = counted * weights.reshape(weights.shape + (1,) * (counted.ndim - weights.ndim))
        super().update_state(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "axis": self.axis,
        }


@overload
def get(identifier: None, custom_objects: Mapping[str, Any] | None = None) -> None: ...
@overload
def get(identifier: Identifier | Metric, custom_objects: Mapping[str, Any] | None = None) -> Metric: ...
def get(identifier: Identifier | Metric | None, custom_objects: Mapping[str, Any] | None = None) -> Metric | None:
    """The metric for a Keras name, config, class, function ``(y_true, y_pred)``, or itself; None for None.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is something else.
    """
    if isinstance(identifier, Mapping) and isinstance(identifier.get("config"), str):
        identifier = identifier["config"]
    metric = registry.resolve(identifier, KIND, custom_objects)
    return metric if metric is None or isinstance(metric, Metric) else MeanMetricWrapper(metric)


def resolve(
    identifier: Identifier | Metric | None,
    y_true_shape: tuple[int, ...],
    y_pred_shape: tuple[int, ...],
    loss: Loss | None = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Metric:
    """The metric that an entry of ``compile(metrics=[...])`` means, named as the user wrote it.

    Parameters
    ----------
    identifier : str, Metric, class, function or config
        "accuracy" or "acc", and "crossentropy" or "ce", take the binary, sparse or categorical form by the shapes.
    y_true_shape, y_pred_shape : tuple of int
        Shapes of labels and predictions.
    loss : Loss, optional
        The model's; tells "crossentropy" whether predictions are logits.
    custom_objects : mapping, optional

    Raises
    ------
    ValueError
        The name is unknown, or the identifier is None.
    """
    kind = losses.kind_of_classes(y_true_shape, y_pred_shape)
    alias = identifier.lower() if isinstance(identifier, str) else None
    metric: Metric | None
    if alias in ("accuracy", "acc"):
        metric = get(f"{kind}_accuracy")
    elif alias in ("crossentropy", "ce"):
        spec = {"class_name": f"{kind}_crossentropy", "config": {"from_logits": getattr(loss, "from_logits", False)}}
        metric = get(spec)
    else:
        metric = get(identifier, custom_objects)
    if metric is None:
        raise ValueError("Metrics: expected a name, a function or a Metric, got None.")
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def __dir__() -> list[str]:
    return __all__
