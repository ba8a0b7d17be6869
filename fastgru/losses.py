"""Keras's losses, each with the gradient by the predictions.

A loss first gives one value for each sample (and time step), then the values are weighted and reduced to a number. The
gradient goes the same way back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import activations, kernels
from fastgru.layers.layer import DTYPES
from fastgru.naming import unique_name
from fastgru.registry import registered, snake_case
from fastgru.registry import resolve as resolve_name

if TYPE_CHECKING:
    from fastgru.kernels._compiled import Kernels

Array = npt.NDArray[Any]
#: turns the gradient of the sum of ``d * values`` by the values, d, into that by the predictions
Pullback = Callable[[Any], Array]

KIND = "keras.losses"
_FLOATS = tuple(np.dtype(name) for name in DTYPES)
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss:
    """Base of all losses.

    A loss of your own defines ``call(y_true, y_pred)``, the value of each sample; to be trained with, it defines
    ``with_pullback`` instead.

    Parameters
    ----------
    name : str, optional
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none"} or None
        How the values become a number; "mean" is another name of "sum_over_batch_size".
    dtype : {"float32", "float64"}, optional
        To compute in; that of the predictions where absent.
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction not in REDUCTIONS:
            choices = ", ".join(map(repr, REDUCTIONS))
            raise ValueError(f"{type(self).__name__}: expected one of {choices} as reduction, got {reduction!r}.")
        self.name = name or unique_name(type(self).__name__)
        self.reduction = reduction
        self.dtype = dtype

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The loss of every sample."""
        if type(self).with_pullback is Loss.with_pullback:
            raise NotImplementedError(f"{type(self).__name__} does not define call.")
        return self.with_pullback(*self._as_pair(y_true, y_pred))[0]

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        """The loss of every sample, and the function that pulls a gradient by them back to the predictions.

        `y_true` and `y_pred` are of one float dtype, and of one shape unless the loss takes class numbers.
        """

        def no_gradient(d_values: Any) -> Array:
            raise ValueError(f"Loss {self.name!r} has no gradient and cannot be trained with; define with_pullback.")

        return np.asarray(self.call(y_true, y_pred)), no_gradient

    def __call__(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> Any:
        """The reduced loss.

        Parameters
        ----------
        y_true, y_pred : array_like
        sample_weight : array_like, optional
            Multiplies the values; one axis less than them means the same weight along the last.
        mask : bool array_like, optional
            True where a value counts.

        Returns
        -------
        float, or the ndarray of values for the reduction "none".

        Raises
        ------
        ValueError
            Shapes that do not fit, or labels that are NaN or no class.
        """
        targets, predictions = self._as_pair(y_true, y_pred)
        values, _ = self.with_pullback(targets, predictions)
        weights = self._weights(targets, values, sample_weight, mask)
        if weights is not None:
            values = values * weights
        if self.reduction in (None, "none"):
            self._checked_sum(targets, values)
            return values
        return self._checked_sum(targets, values) * self._scale(values, weights)

    def value_and_gradient(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> tuple[float, Array]:
        """The reduced loss and its gradient by `y_pred`, of the shape and dtype of `y_pred`; see `__call__`."""
        if self.reduction in (None, "none"):
            raise ValueError(f"Loss {self.name!r}: reduction {self.reduction!r} gives no single number to train with.")
        y_pred = as_float(y_pred)
        targets, predictions = self._as_pair(y_true, y_pred)
        values, pull = self.with_pullback(targets, predictions)
        weights = self._weights(targets, values, sample_weight, mask)
        if weights is None:
            scale = self._scale(values, None)
            gradient = pull(scale)
        else:
            shape = values.shape
            values = values * weights
            scale = self._scale(values, weights)
            d_values = weights * scale
            gradient = pull(
                d_values if d_values.shape == shape else np.broadcast_to(d_values, values.shape).reshape(shape)
            )
        value = self._checked_sum(targets, values) * scale
        gradient = gradient.reshape(y_pred.shape)
        return value, gradient if gradient.dtype == y_pred.dtype else gradient.astype(y_pred.dtype)

    def check(self, y_true: npt.ArrayLike, y_pred_shape: tuple[int, ...]) -> None:
        """ValueError where labels do not fit predictions of this shape, are NaN or no class."""
        self._as_pair(y_true, np.broadcast_to(np.float32(0), y_pred_shape))

    def get_config(self) -> dict[str, Any]:
        """Keras 3's config."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The loss that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"

    # --- labels and predictions -------------------------------------------------------------------

    def _as_pair(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Array, Array]:
        """Labels and predictions in one float dtype."""
        predictions = as_float(y_pred, self.dtype)
        return np.asarray(y_true, predictions.dtype), predictions

    def _refuse_nan(self, labels: Array) -> None:
        if labels.dtype.kind == "f" and np.isnan(labels).any():
            raise ValueError(f"Loss {self.name!r}: the labels contain NaN.")

    # --- reduction --------------------------------------------------------------------------------

    def _counted(self, targets: Array, values: Array) -> Array | None:
        """Which values count by their labels; None for all."""
        return None

    def _weights(
        self, targets: Array, values: Array, sample_weight: npt.ArrayLike | None, mask: npt.ArrayLike | None
    ) -> Array | None:
        """What the values are multiplied by: sample weights and masks together."""
        counted = self._counted(targets, values)
        if sample_weight is None and mask is None and counted is None:
            return None
        if mask is not None:
            counted = np.asarray(mask, bool) if counted is None else counted & np.asarray(mask, bool)
        weights = None if sample_weight is None else np.asarray(sample_weight, values.dtype)
        if counted is not None:
            factor = counted.astype(values.dtype)
            if self.reduction in ("sum_over_batch_size", "mean"):
                # dividing by all values is then dividing by those that count
                factor *= counted.size / (int(np.count_nonzero(counted)) or 1)
            weights = factor if weights is None else factor * _fitting(weights, factor, self.name)
        assert weights is not None
        return _fitting(weights, values, self.name)

    def _scale(self, values: Array, weights: Array | None) -> float:
        """What the sum of the weighted values is multiplied by."""
        if self.reduction == "sum" or values.ndim == 0:
            return 1.0
        if self.reduction == "mean_with_sample_weight" and weights is not None:
            divisor = float(weights.sum())
        else:
            divisor = float(values.size)
        return 1 / divisor if divisor else 0.0

    def _checked_sum(self, targets: Array, values: Array) -> float:
        total = float(values.sum())
        if math.isnan(total):
            self._refuse_nan(targets)
        return total


def as_float(x: npt.ArrayLike, dtype: Any = None) -> Array:
    """An array of `dtype`, else of its own, where that is float32 or float64; else of float32."""
    if dtype is None and type(x) is np.ndarray and x.dtype in _FLOATS:
        return x  # as every batch of training: numpy takes half a microsecond to find that nothing is to be done
    array = np.asarray(x)
    wanted = array.dtype if dtype is None else np.dtype(dtype)
    return array.astype(wanted if wanted in _FLOATS else "float32", copy=False)


def same_rank(a: Array, b: Array) -> tuple[Array, Array]:
    """Keras's rule: where one array has one axis more and that is of length 1, drop it, or give it to a vector."""
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[:, np.newaxis]) if b.ndim == 1 else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[:, np.newaxis], b) if a.ndim == 1 else (a, b[..., 0])
    return a, b


def _fitting(weights: Array, values: Array, name: str) -> Array:
    """Weights that can be multiplied with values: as many axes, each of the same length or 1."""
    if weights.shape == values.shape or weights.ndim == 0:
        return weights
    if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    fitted = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))
    axes: zip[tuple[int, int]] = zip(fitted.shape, values.shape, strict=False)
    if fitted.ndim != values.ndim or not all(length in (1, expected) for length, expected in axes):
        raise ValueError(
            f"Loss {name!r}: expected sample weights of shape {values.shape} or its first axes, got {weights.shape}."
        )
    return fitted


def _spread(d_values: Any, axis: int) -> Any:
    """A gradient by values that were taken along an axis, so that it multiplies what they were taken from."""
    return d_values if np.ndim(d_values) == 0 else np.expand_dims(d_values, axis)


def _kernels(predictions: Array) -> Kernels:
    return kernels.module(predictions.dtype)


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


class _SameShape(Loss):
    """A loss whose labels have the predictions' shape."""

    def _as_pair(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Array, Array]:
        targets, predictions = same_rank(*super()._as_pair(y_true, y_pred))
        if targets.shape != predictions.shape:
            raise ValueError(
                f"Loss {self.name!r}: expected labels of the shape of the predictions, {predictions.shape}, "
                f"got {targets.shape}."
            )
        return targets, predictions

    def check(self, y_true: npt.ArrayLike, y_pred_shape: tuple[int, ...]) -> None:
        super().check(y_true, y_pred_shape)
        self._refuse_nan(np.asarray(y_true))


@registered(KIND, "mse", "MSE")
class MeanSquaredError(_SameShape):
    """``mean((y_pred - y_true) ** 2)`` over the last axis."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_squared_error", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        error = y_pred - y_true
        n = error.shape[-1]
        return (error * error).sum(axis=-1) / n, lambda d: error * _spread(2 / n * d, -1)


@registered(KIND, "mae", "MAE")
class MeanAbsoluteError(_SameShape):
    """``mean(abs(y_pred - y_true))`` over the last axis."""

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_absolute_error", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        error = y_pred - y_true
        n = error.shape[-1]
        return np.abs(error).sum(axis=-1) / n, lambda d: np.sign(error) * _spread(1 / n * d, -1)


class _Crossentropy(_SameShape):
    """What the cross-entropies with a label for each prediction share: their options."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name or snake_case(type(self).__name__), reduction, dtype)
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
            return losses.sum(axis=axis) / n, lambda d: (activations.sigmoid(y_pred) - t) * _spread(1 / n * d, axis)
        rows = _rows_of_classes(y_pred, axis)
        losses, gradient = np.empty(len(rows), rows.dtype), np.empty(rows.shape, rows.dtype)
        _kernels(rows).binary_crossentropy(_rows_of_classes(t, axis), rows, losses, gradient)
        return _shaped(losses, lambda d: gradient * d, _classes_last(y_pred, axis).shape, axis)


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
            return -(t * log_p).sum(
                axis=axis
            ), lambda d: (np.exp(log_p) * t.sum(axis=axis, keepdims=True) - t) * _spread(d, axis)
        rows = _rows_of_classes(y_pred, axis)
        losses, gradient = np.empty(len(rows), rows.dtype), np.empty(rows.shape, rows.dtype)
        _kernels(rows).categorical_crossentropy(_rows_of_classes(t, axis), rows, losses, gradient)
        return _shaped(losses, lambda d: gradient * d, _classes_last(y_pred, axis).shape, axis)


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
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

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
        return labels.astype(np.int64, copy=False), predictions

    def check(self, y_true: npt.ArrayLike, y_pred_shape: tuple[int, ...]) -> None:
        labels, predictions = self._as_pair(y_true, np.broadcast_to(np.float32(0), y_pred_shape))
        counted = self._counted(labels, labels)
        self._refuse_unknown(labels if counted is None else labels[counted], predictions.shape[-1])

    def _refuse_unknown(self, labels: Array, classes: int) -> None:
        wrong = labels[(labels < 0) | (labels >= classes)]
        if wrong.size:
            raise ValueError(f"Loss {self.name!r}: expected labels from 0 to {classes - 1}, got {wrong.flat[0]}.")

    def _counted(self, targets: Array, values: Array) -> Array | None:
        return None if self.ignore_class is None else targets != self.ignore_class

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        labels, rows = kernels.contiguous(y_true).reshape(-1), _rows_of_classes(y_pred, -1)
        counted = self._counted(labels, labels)
        if counted is not None:
            labels = np.where(counted, labels, 0)
        if self.from_logits:
            self._refuse_unknown(labels, rows.shape[1])
            log_p = activations.log_softmax(rows)
            picked = (np.arange(len(labels)), labels)
            losses, gradient = -log_p[picked], np.exp(log_p)
            gradient[picked] -= 1
        else:
            losses, gradient = np.empty(len(rows), rows.dtype), np.empty(rows.shape, rows.dtype)
            if not _kernels(rows).sparse_categorical_crossentropy(labels, rows, losses, gradient):
                self._refuse_unknown(labels, rows.shape[1])
        if counted is not None:
            losses = np.where(counted, losses, 0)
            gradient *= counted[:, np.newaxis]
        return _shaped(losses, lambda d: gradient * d, y_pred.shape, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits, "ignore_class": self.ignore_class}


class _Given(Loss):
    """A user's function ``(y_true, y_pred) -> values`` in the place of a loss; it has no gradient."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(snake_case(getattr(function, "__name__", type(function).__name__)))
        self.function = function

    def call(self, y_true: Array, y_pred: Array) -> Array:
        return np.asarray(self.function(*same_rank(y_true, y_pred)))


def mean_squared_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """`MeanSquaredError` of every sample."""
    return MeanSquaredError().call(np.asarray(y_true), np.asarray(y_pred))


def mean_absolute_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """`MeanAbsoluteError` of every sample."""
    return MeanAbsoluteError().call(np.asarray(y_true), np.asarray(y_pred))


def binary_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`BinaryCrossentropy` of every sample."""
    return BinaryCrossentropy(from_logits, label_smoothing, axis).call(np.asarray(y_true), np.asarray(y_pred))


def categorical_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`CategoricalCrossentropy` of every sample."""
    return CategoricalCrossentropy(from_logits, label_smoothing, axis).call(np.asarray(y_true), np.asarray(y_pred))


def sparse_categorical_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """`SparseCategoricalCrossentropy` of every sample."""
    loss = SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis)
    return loss.call(np.asarray(y_true), np.asarray(y_pred))


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Loss | None:
    """The loss for a Keras name, config, class, function ``(y_true, y_pred)``, or itself; None for None."""
    if isinstance(identifier, Mapping) and isinstance(identifier.get("config"), str):
        identifier = identifier["config"]
    by_function = _FUNCTIONS.get(identifier) if callable(identifier) else None
    found = resolve_name(by_function or identifier, KIND, custom_objects)
    return found if found is None or isinstance(found, Loss) else _Given(found)


_FUNCTIONS: dict[Any, type[Loss]] = {
    mean_squared_error: MeanSquaredError,
    mean_absolute_error: MeanAbsoluteError,
    binary_crossentropy: BinaryCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
}


def kind_of_classes(y_true_shape: tuple[int, ...], y_pred_shape: tuple[int, ...]) -> str:
    """Keras's guess from the shapes: "binary", "sparse_categorical" or "categorical"."""
    if y_pred_shape[-1] == 1:
        return "binary"
    sparse = len(y_true_shape) < len(y_pred_shape) or y_true_shape[-1] == 1
    return "sparse_categorical" if sparse else "categorical"


def resolve(
    identifier: Any,
    y_true_shape: tuple[int, ...],
    y_pred_shape: tuple[int, ...],
    custom_objects: Mapping[str, Any] | None = None,
) -> Loss | None:
    """`get`, and for "crossentropy" or "ce" the form that fits the shapes of labels and predictions."""
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        identifier = f"{kind_of_classes(y_true_shape, y_pred_shape)}_crossentropy"
    return get(identifier, custom_objects)
