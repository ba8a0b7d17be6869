"""Sums and means of values over all samples since the last reset.

Sums are kept in float64, whatever the dtype of the result is, so that they count beyond 2^24.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, losses, metrics, registry
from fastgru.autodiff import Tensor
from fastgru.losses import same_rank
from fastgru.metrics.metric import KIND, Metric
from fastgru.metrics.variable import as_result
from fastgru.object_registration import custom_function, custom_objects_in_force
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Mean", "MeanMetricWrapper", "Sum", "float_dtype", "function", "known_function"]

Function = Callable[..., Any]


@registered(KIND)
class Sum(Metric):
    """The sum of all values, with or without weights."""

    def __init__(self, name: str | None = "sum", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), dtype="float64", name="total")

    def update_state(self, values: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> None:
        """Add values: a number, or an array with the samples along its first axis; weights as for `Mean`."""
        array = _numbers(values, self.dtype)
        if sample_weight is not None:
            array, _ = _weighted(array, sample_weight, np.sum, self.name)
        self.total.assign_add(array.sum(dtype="float64"))

    def result(self) -> Tensor:
        """The sum of all batches since the last reset, in the metric's dtype."""
        return as_result(self.total, self.dtype)


@registered(KIND)
class Mean(Metric):
    """The mean of all values, with or without weights; 0 before the first."""

    def __init__(self, name: str | None = "mean", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(dtype, name)
        self._add_sums()

    def _add_sums(self) -> None:
        self.total = self.add_variable((), dtype="float64", name="total")
        self.count = self.add_variable((), dtype="float64", name="count")

    def update_state(self, values: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> None:
        """Add values: a number, or an array with the samples along its first axis.

        Parameters
        ----------
        values : array_like
        sample_weight : array_like, optional
            Of the values' first axes: one weight a sample, or one a sample and step, ...
        """
        array = _numbers(values, self.dtype)
        if sample_weight is not None:
            array, weights = _weighted(array, sample_weight, np.mean, self.name)
            per_sample = math.prod(array.shape[1:]) or 1
            total, count = float(array.sum()) / per_sample, float(weights.sum()) / per_sample
        else:
            count = float(len(array)) if array.ndim else 1.0
            total = float(np.add.reduce(array, axis=None))
            if array.ndim > 1:
                total /= max(1, math.prod(array.shape[1:]))
        self.total.accumulate(total)
        self.count.accumulate(count)

    @property
    def mean(self) -> float:
        """The result in full precision."""
        return float(self.total.value / self.count.value) if self.count.value else 0.0

    def result(self) -> Tensor:
        """The mean of all batches since the last reset, in the metric's dtype if that is one of floats."""
        return as_result(self.mean, float_dtype(self.dtype))

    def logged(self) -> Any:
        """A mean in full precision, as the logs had it before results were of a dtype."""
        return self.mean if type(self).result is Mean.result else super().logged()

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if isinstance(state.get("total"), float):  # of the last release
            self._add_sums()
            self.total.assign(state["total"])
            self.count.assign(state["count"])


def float_dtype(dtype: str) -> str:
    """What a quotient is given in: the dtype, or float32 for one of whole numbers."""
    return dtype if dtype.startswith("float") else "float32"


def _numbers(values: npt.ArrayLike, dtype: str) -> Array:
    """Values as an array; as in Keras, whole where the metric's dtype is one of whole numbers."""
    array = np.asarray(values)
    return array if dtype.startswith("float") else array.astype(dtype)


def _weighted(values: Array, sample_weight: npt.ArrayLike, reduce: Function, name: str) -> tuple[Array, Array]:
    """Values times weights, and the weights of each: values are reduced over the axes that the weights have not."""
    values, weights = same_rank(values, np.asarray(sample_weight, "float64"))
    if values.ndim > weights.ndim:
        values = np.asarray(reduce(values, axis=tuple(range(weights.ndim, values.ndim)), dtype="float64"))
    try:
        weights = np.broadcast_to(weights, values.shape)
    except ValueError:
        raise ValueError(
            f"Metric {name!r}: expected sample weights of shape {values.shape} or its first axes, got {weights.shape}."
        ) from None
    return values * weights, weights


def function(form: str | Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Function:
    """The function of a name, or of a JSON form that names it: a user's, or one of fastgru's metrics and losses."""
    name = str(form.get("config") if isinstance(form, Mapping) else form)
    fn = custom_function(name, custom_objects_in_force(custom_objects)) or known_function(name)
    if fn is None:
        raise ValueError(f"{KIND}: the function {name!r} is not known to fastgru; hand it over in custom_objects.")
    return fn


def known_function(name: str) -> Function | None:
    """The function of that name of fastgru's metrics or losses, which takes labels and predictions."""
    own = (getattr(package, name) for package in (metrics, losses) if name in package.__all__)
    fn = next(own, None)
    takes = getattr(getattr(fn, "__code__", None), "co_varnames", ())[:2]
    return fn if takes == ("y_true", "y_pred") else None


@registered(KIND)
class MeanMetricWrapper(Mean):
    """The mean of a function.

    Parameters
    ----------
    fn : callable
        ``(y_true, y_pred, **kwargs) -> values``, one for each sample, or for each sample and step, ...
    name, dtype
        See `Metric`.
    **kwargs
        Handed to the function.
    """

    def __init__(
        self, fn: Function, name: str | None = None, dtype: npt.DTypeLike | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name, dtype)
        self._fn = checks.function(fn, type(self).__name__, "fn")
        self._fn_kwargs = kwargs
        is_loss = isinstance(fn, losses.Loss) or getattr(losses, getattr(fn, "__name__", ""), None) is fn
        if self.direction is None and is_loss:
            self.direction = "down"

    def update_state(  # type: ignore[override]
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        """Take labels and predictions of a batch into account, perhaps with one weight for each sample."""
        super().update_state(self._fn(y_true, y_pred, **self._fn_kwargs), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Keras 3's config, with the function by its name."""
        if type(self) is not MeanMetricWrapper:
            return super().get_config()  # of a subclass that has a function of its own
        return {**super().get_config(), **registry.serialize({"fn": self._fn, **self._fn_kwargs})}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric that `get_config` described; its function is one of fastgru's or a registered one."""
        if isinstance(config.get("fn"), (str, Mapping)):
            config = {**config, "fn": function(config["fn"])}
        return cls(**config)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if "_function" in state:  # of the last release
            self._fn, self._fn_kwargs = vars(self).pop("_function"), vars(self).pop("_options")
