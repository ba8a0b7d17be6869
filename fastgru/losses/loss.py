"""What all losses share: labels and predictions made comparable, values reduced to a number, and the way back.

A loss first gives one value for each sample (and time step), then the values are weighted and reduced to a number. The
gradient goes the same way back.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import autodiff, checks
from fastgru.autodiff.sums import broadcast
from fastgru.autodiff.tensor import Tensor, plain, tensor
from fastgru.kernels import DTYPES
from fastgru.layers.context import context
from fastgru.layers.share import Share, part_of_mean, sharing
from fastgru.naming import snake_case, unique_name
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "KIND",
    "REDUCTIONS",
    "FunctionLoss",
    "Loss",
    "Pullback",
    "SameShapeLoss",
    "as_float",
    "same_rank",
    "same_shape",
    "spread",
]

#: turns the gradient of the sum of ``d * values`` by the values, d, into that by the predictions
Pullback = Callable[[Any], Array]

KIND = "keras.losses"
_FLOATS = tuple(np.dtype(name) for name in DTYPES)
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss:
    """Base of all losses.

    A subclass defines ``call(y_true, y_pred)``, the value of each sample, with `fastgru.ops`, operators or numpy's
    functions, from which its gradient follows; one with a quicker gradient of its own defines ``with_pullback``.

    Parameters
    ----------
    name : str, optional
    reduction : {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none"} or None
        How the values become a number; "mean" is another name of "sum_over_batch_size".
    dtype : {"float32", "float64"}, optional
        To compute in; that of the predictions where absent.
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        if reduction not in REDUCTIONS:
            choices = ", ".join(map(repr, REDUCTIONS))
            raise ValueError(
                f"{type(self).__name__}: Invalid value for argument `reduction`: expected one of {choices} as "
                f"reduction, got {reduction!r}."
            )
        where = type(self).__name__
        self.name = checks.optional(checks.text)(name, where, "name") or unique_name(where)
        self.reduction = reduction
        self.dtype = _checked_dtype(dtype, type(self).__name__)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The loss of every sample."""
        if type(self).with_pullback is Loss.with_pullback:
            raise NotImplementedError(f"{type(self).__name__} does not define call.")
        return self.with_pullback(*self._as_pair(y_true, y_pred))[0]

    def with_pullback(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        """The loss of every sample, and the function that pulls a gradient by them back to the predictions.

        `y_true` and `y_pred` are of one float dtype, and of one shape unless the loss takes class numbers.
        """
        losses, pull_back = autodiff.with_pullback(lambda predictions: self.call(y_true, predictions), y_pred)
        values = np.asarray(losses)

        def pull(d_values: Any) -> Array:
            (gradient,) = pull_back(broadcast(np.asarray(d_values, values.dtype), values.shape))
            if gradient is None:
                raise ValueError(
                    f"Loss {self.name!r}: does not depend on the predictions by fastgru.ops, operators or numpy's "
                    "functions, and has no gradient to train with."
                )
            return np.asarray(gradient)

        return values, pull

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
        Tensor of no axes, or of the values for the reduction "none"; a gradient tape that follows `y_pred` records it.

        Raises
        ------
        ValueError
            Shapes that do not fit, or labels that are NaN or no class.
        """
        if autodiff.is_recorded((y_pred,)):
            y_true = np.array(plain(y_true))  # which the way back may read
        predictions = as_float(plain(y_pred), self.dtype)
        value, pull = self._reduced(y_true, predictions, sample_weight, mask)
        result = tensor(np.asarray(value, predictions.dtype))
        autodiff.record((result,), (y_pred,), (pull,))
        return result

    def value_and_gradient(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> tuple[float, Array]:
        """The reduced loss and its gradient by `y_pred`, of the shape and dtype of `y_pred`; see `__call__`."""
        if type(self).__call__ is not Loss.__call__:
            share = context.share
            if share is None:
                return self._of_own(y_true, as_float(y_pred), sample_weight, mask)
            value, gradient = self._of_own(*share.whole([y_true, as_float(y_pred), sample_weight, mask]))
            return value * part_of_mean(), share.of_whole(gradient)
        if self.reduction in (None, "none"):
            raise ValueError(f"Loss {self.name!r}: reduction {self.reduction!r} gives no single number to train with.")
        value, pull = self._reduced(y_true, as_float(y_pred), sample_weight, mask)
        return value, pull(1.0)

    def value(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> float:
        """The reduced loss as a number; see `__call__`."""
        share: Share | None = context.share
        if share is None or type(self).__call__ is Loss.__call__:
            return float(self(y_true, y_pred, **self._named(sample_weight, mask)))
        labels, predictions, *weights = share.whole([y_true, y_pred, sample_weight, mask])
        return float(self(labels, predictions, **self._named(*weights))) * part_of_mean()

    def _named(self, sample_weight: npt.ArrayLike | None, mask: npt.ArrayLike | None) -> dict[str, Any]:
        """What `__call__` gets beside labels and predictions; that of a class of a user's may know no mask."""
        named = {} if sample_weight is None else {"sample_weight": sample_weight}
        if mask is not None and "mask" in inspect.signature(type(self).__call__).parameters:
            named["mask"] = mask
        return named

    def _of_own(
        self, y_true: npt.ArrayLike, y_pred: Array, sample_weight: npt.ArrayLike | None, mask: npt.ArrayLike | None
    ) -> tuple[float, Array]:
        """The loss and its gradient where a class of a user's says by `__call__` what they are."""
        named = self._named(sample_weight, mask)
        value, pull = autodiff.with_pullback(lambda predictions: self(y_true, predictions, **named), y_pred)
        (gradient,) = pull(np.ones(np.shape(value), y_pred.dtype))
        return float(value), np.zeros_like(y_pred) if gradient is None else np.asarray(gradient)

    def _reduced(
        self, y_true: npt.ArrayLike, y_pred: Array, sample_weight: npt.ArrayLike | None, mask: npt.ArrayLike | None
    ) -> tuple[Any, Callable[[Any], Array]]:
        """The reduced loss, and the function that pulls a gradient by it back to `y_pred`."""
        share: Share | None = context.share
        if share is not None and self._couples_rows:
            return self._reduced_whole(share, y_true, y_pred, sample_weight, mask)
        targets, predictions = self._as_pair(y_true, y_pred)
        values, pull_values = self.with_pullback(targets, predictions)
        shape = values.shape
        weights = self._weights(targets, values, sample_weight, mask)
        if weights is not None:
            values = values * weights
        total = self._checked_sum(targets, values)
        reduces = self.reduction not in (None, "none")
        scale = self._scale(values, weights) if reduces else 1.0

        def pull(d: Any) -> Array:
            d_values = d * scale if weights is None else weights * (scale * d)
            if shape == ():  # one value for the batch, with a weight for each sample
                d_values = np.sum(d_values)
            elif np.shape(d_values) not in ((), shape):
                d_values = np.broadcast_to(d_values, values.shape).reshape(shape)
            return pull_values(d_values).reshape(y_pred.shape).astype(y_pred.dtype, copy=False)

        return total * scale if reduces else values, pull

    def _reduced_whole(self, share: Share, *parts: Any) -> tuple[Any, Callable[[Any], Array]]:
        """The part that the rows of this process have in the loss of the whole batch, which is computed of all rows."""
        with sharing(None):
            loss, pull = self._reduced(*share.whole(parts))

        def pull_rows(d: Any) -> Array:
            with sharing(None):
                return share.of_whole(pull(d))

        return loss * part_of_mean(), pull_rows

    @property
    def _couples_rows(self) -> bool:
        """Whether the loss of a row may depend on the others: of a class or function of a user's nobody knows."""
        return not type(self).__module__.startswith("fastgru.")

    def check(self, y_true: npt.ArrayLike, y_pred_shape: tuple[int, ...]) -> None:
        """ValueError where labels do not fit predictions of this shape, are NaN or no class."""
        self._as_pair(y_true, np.broadcast_to(np.float32(0), y_pred_shape))

    def get_config(self) -> dict[str, Any]:
        """Keras 3's config."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
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

    def _label_mask(self, targets: Array) -> Array | None:
        """Which values count by their labels; None for all."""
        return None

    def _weights(
        self, targets: Array, values: Array, sample_weight: npt.ArrayLike | None, mask: npt.ArrayLike | None
    ) -> Array | None:
        """What the values are multiplied by: sample weights, and 0 where a mask is False; None for nothing."""
        counts = self._label_mask(targets)
        if mask is not None:
            counts = np.asarray(mask, bool) if counts is None else counts & np.asarray(mask, bool)
        weights = None if sample_weight is None else np.asarray(sample_weight, values.dtype)
        if counts is not None:
            factor = counts.astype(values.dtype)
            if self.reduction in ("sum_over_batch_size", "mean"):
                # dividing by all values is then dividing by those that count
                size, count, share = float(counts.size), int(np.count_nonzero(counts)), context.share
                if share is not None:
                    size, count = share.whole_size(counts.size), int(share.sum(count))
                factor *= size / (count or 1)
            weights = factor if weights is None else factor * _aligned(weights, factor, self.name)
        return None if weights is None else _aligned(weights, values, self.name)

    def _scale(self, values: Array, weights: Array | None) -> float:
        """What the sum of the weighted values is multiplied by."""
        share: Share | None = context.share
        if self.reduction == "sum" or values.ndim == 0:
            divisor = 1.0
        elif self.reduction == "mean_with_sample_weight" and weights is not None:
            divisor = float(weights.sum() if share is None else share.sum(weights.sum()))
        else:
            divisor = float(values.size) if share is None else share.whole_size(values.size)
        scale = 1 / divisor if divisor else 0.0
        return scale if share is None else scale * share.scale

    def _checked_sum(self, targets: Array, values: Array) -> float:
        total = float(values.sum())
        if math.isnan(total):
            self._refuse_nan(targets)
        return total


def _checked_dtype(dtype: Any, where: str) -> npt.DTypeLike | None:
    """A dtype that losses are computed in, or that of a dtype policy; ValueError for another."""
    name = getattr(dtype, "compute_dtype", dtype)
    try:
        known = name is None or np.dtype(name) in _FLOATS
    except TypeError:  # numpy does not know it
        known = False
    if not known:
        raise ValueError(f"{where}: dtype must be one of {', '.join(DTYPES)}, got {dtype!r}.")
    return name


def as_float(x: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Array:
    """`x` as an array of `dtype`, or of its present one, where that is float32 or float64; of float32 otherwise."""
    if dtype is None and type(x) is np.ndarray and x.dtype in _FLOATS:
        return x  # as every batch of training: numpy takes half a microsecond to find that nothing is to be done
    array = np.asarray(x)
    dtype = array.dtype if dtype is None else np.dtype(dtype)
    return array.astype(dtype if dtype in _FLOATS else "float32", copy=False)


def same_rank(a: Array, b: Array) -> tuple[Array, Array]:
    """Keras's rule: where one array has one axis more and that is of length 1, drop it, or give it to a vector."""
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b[:, np.newaxis]) if b.ndim == 1 else (a[..., 0], b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a[:, np.newaxis], b) if a.ndim == 1 else (a, b[..., 0])
    return a, b


def same_shape(y_true: Array, y_pred: Array, where: str) -> tuple[Array, Array]:
    """Labels and predictions by the rule of `same_rank`; a ValueError where their shapes then differ."""
    targets, predictions = same_rank(y_true, y_pred)
    if targets.shape != predictions.shape:
        raise ValueError(
            f"{where}: labels and predictions must have the same shape: expected labels of the shape of the "
            f"predictions, {predictions.shape}, got {targets.shape}."
        )
    return targets, predictions


def _aligned(weights: Array, values: Array, name: str) -> Array:
    """Weights that can be multiplied with values: as many axes, each of the same length or 1."""
    if weights.shape == values.shape or weights.ndim == 0 or values.ndim == 0:
        return weights
    if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    aligned = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))
    axes: zip[tuple[int, int]] = zip(aligned.shape, values.shape, strict=False)
    if aligned.ndim != values.ndim or not all(length in (1, expected) for length, expected in axes):
        raise ValueError(
            f"Loss {name!r}: expected sample weights of shape {values.shape} or its first axes, got {weights.shape}."
        )
    return aligned


def spread(d_values: Any, axis: int) -> Any:
    """A gradient by values that were taken along an axis, so that it multiplies what they were taken from."""
    return d_values if np.ndim(d_values) == 0 else np.expand_dims(d_values, axis)


class SameShapeLoss(Loss):
    """A loss whose labels have the predictions' shape."""

    def _as_pair(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Array, Array]:
        return same_shape(*super()._as_pair(y_true, y_pred), f"Loss {self.name!r}")

    def check(self, y_true: npt.ArrayLike, y_pred_shape: tuple[int, ...]) -> None:
        super().check(y_true, y_pred_shape)
        self._refuse_nan(np.asarray(y_true))


class FunctionLoss(Loss):
    """A loss made of a function ``(y_true, y_pred) -> values``, or one that returns a number."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(snake_case(getattr(function, "__name__", type(function).__name__)))
        self.function = function

    @property
    def _couples_rows(self) -> bool:
        return True

    def call(self, y_true: Array, y_pred: Array) -> Array:
        values = self.function(*same_rank(y_true, y_pred))
        return values if isinstance(values, Tensor) else np.asarray(values)
