"""The Normalization layer: statistics that are chosen, or measured beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, config
from fastgru.checks import real_numbers
from fastgru.layers import options
from fastgru.layers.options import LayerOptions
from fastgru.layers.preprocessing.affine import Affine
from fastgru.layers.preprocessing.token_layer import batches
from fastgru.layers.weight import publish
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Normalization"]


def _axes(value: Any, where: str, name: str) -> tuple[int, ...]:
    if value is None:
        return ()
    axes = checks.axes(value, where, name)
    return (axes,) if isinstance(axes, int) else tuple(axes)


def _broadcast(shape: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(shape, other)
    except ValueError:
        return None


def _as_list(statistics: Any) -> Any:
    return None if statistics is None else np.asarray(statistics).tolist()


@registered("keras.layers")
class Normalization(Affine):
    """``(x - mean) / sqrt(variance)`` with statistics that are chosen, measured by `adapt`, or stored with the model.

    Parameters
    ----------
    axis : int, sequence of int or None
        The axes that have statistics for each of their places.
    mean, variance : float or array_like, optional
        Both or none; without them the layer has weights for them, and one that Keras has for a count.
    invert : bool
        ``x * sqrt(variance) + mean`` instead.

    Attributes
    ----------
    mean, variance : ndarray or None
        In the shape in which they stand beside an input; None before the layer is built.
    """

    axis: tuple[int, ...] = options.option(_axes)
    invert: bool = options.flag()

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: npt.ArrayLike | None = None,
        variance: npt.ArrayLike | None = None,
        invert: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        self.input_mean, self.input_variance = mean, variance
        if (mean is None) != (variance is None):
            raise ValueError(
                f"{self._where}: When setting values directly, both `mean` and `variance` must be set, "
                "expected mean and variance, or neither."
            )
        shapes = [np.asarray(one).shape for one in (mean, variance)]
        if shapes[0] != shapes[1] or len(shapes[0]) > len(self.axis):
            raise ValueError(
                f"{self._where}: expected `mean` and `variance` to have the same shape, of at most {len(self.axis)} "
                f"axes, got {shapes[0]} and {shapes[1]}."
            )

    def build(self, input_shape: Shape) -> None:
        self._broadcast = self._sizes(input_shape)
        self._rank = len(input_shape)
        if self.input_mean is None:
            sizes = tuple(self._broadcast[axis] for axis in self._kept_axes(self._broadcast))
            self.moving_mean = self.add_weight("mean", sizes, "zeros", trainable=False)
            self.moving_variance = self.add_weight("variance", sizes, "ones", trainable=False)
            self.add_weight("count", (), "zeros", trainable=False)
        else:
            self._beside_input(self.input_mean)
        self.built = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        # names before 0.2
        old = {"_broadcast": "_kept", "input_mean": "mean", "input_variance": "variance"}
        super().__setstate__({**{new: state.get(name) for new, name in old.items()}, **state})

    def _kept_axes(self, shape: Shape) -> list[int]:
        if any(not -len(shape) <= axis < len(shape) for axis in self.axis):
            raise ValueError(
                f"{self._where}: All `axis` values must be in the range [-ndim, ndim): input of shape {tuple(shape)} "
                f"has no axis {self.axis}."
            )
        return sorted(axis % len(shape) for axis in self.axis)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        """The shape of the statistics beside an input."""
        axes = self._kept_axes(shape)
        if any(shape[axis] is None for axis in axes):
            raise ValueError(
                f"{self._where}: All `axis` values to be kept must have a known shape, got {tuple(shape)}; "
                f"axes {axes} must be known to build it."
            )
        return tuple((size or 1) if axis in axes else 1 for axis, size in enumerate(shape))

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        shape = inputs[0].shape
        if _broadcast(shape, self._broadcast) != shape:
            raise ValueError(f"{self._where}: expected input that broadcasts with {self._broadcast}, got {shape}.")

    # --- the statistics -------------------------------------------------------------------------------

    @property
    def mean(self) -> Array | None:
        return self._beside_input(self._statistics[0]) if self.built else None

    @property
    def variance(self) -> Array | None:
        return self._beside_input(self._statistics[1]) if self.built else None

    @property
    def _statistics(self) -> tuple[npt.ArrayLike, npt.ArrayLike]:
        if self.input_mean is None or self.input_variance is None:
            return self.moving_mean.value, self.moving_variance.value
        return self.input_mean, self.input_variance

    def _beside_input(self, statistics: npt.ArrayLike) -> Array:
        """Statistics in the shape of an input: their last axis is that of the last of the `axis`, and so on."""
        values = np.asarray(statistics, self.dtype)
        shape = [1] * self._rank
        for size, axis in zip(reversed(values.shape), reversed(self._kept_axes(self._broadcast)), strict=False):
            shape[axis] = size
        try:
            return np.broadcast_to(values.reshape(shape), self._broadcast)
        except ValueError:
            raise ValueError(
                f"{self._where}: mean and variance of shape {values.shape} do not fit an input that has statistics of "
                f"shape {self._broadcast}."
            ) from None

    def adapt(self, data: Any) -> None:
        """Measure mean and variance of data, in the place of those that were measured before.

        Parameters
        ----------
        data : ndarray, or an iterable of batches of them
            A data set, a generator or a list; of a batch that is a tuple the first entry counts.

        Raises
        ------
        ValueError
            The layer has statistics of its own, there is no data, or its shape is not that the layer was built for.
        TypeError
            What comes is no array.
        """
        if self.input_mean is not None:
            raise ValueError(f"{self._where}: has the mean and variance it was made with, and adapts to no data.")
        count, mean, variance = 0, np.zeros(()), np.zeros(())
        for batch in batches(data, None, single_list=False):
            x = batch[0] if isinstance(batch, tuple) else batch
            if not hasattr(x, "shape"):
                raise TypeError(
                    f"{self._where}: adapt expects arrays with a `.shape`, batch by batch, got {type(x).__name__}."
                )
            numbers = real_numbers(x, self._where).astype(np.float64)
            if not self.built:
                self.build(numbers.shape)
            if numbers.ndim != self._rank or self._sizes(numbers.shape) != self._broadcast:
                raise ValueError(
                    f"{self._where}: adapt got data of an incompatible shape, {numbers.shape}; statistics are of "
                    f"shape {self._broadcast}."
                )
            reduced = tuple(axis for axis in range(self._rank) if axis not in self._kept_axes(numbers.shape))
            size = math.prod(numbers.shape[axis] for axis in reduced)
            # of two parts: their variances and the distance of their means (Chan et al., 1979)
            share = size / (count + size)
            distance = numbers.mean(reduced) - mean
            mean = mean + distance * share
            variance = (1 - share) * variance + share * numbers.var(reduced) + share * (1 - share) * distance**2
            count += size
        if not count:
            raise ValueError(f"{self._where}: adapt got an empty iterable, with no batches.")
        measured = {self.moving_mean: mean, self.moving_variance: variance}
        publish({weight: np.array(numbers, weight.dtype, order="C") for weight, numbers in measured.items()})

    def _scale_and_offset(self, call: Call) -> tuple[Any, Any]:
        statistics = self._statistics
        if self.input_mean is None:
            statistics = call.value(self.moving_mean), call.value(self.moving_variance)
        mean, variance = map(self._beside_input, statistics)
        deviation = np.maximum(np.sqrt(variance), np.asarray(config.epsilon(), self.dtype))
        return (deviation, mean) if self.invert else (1 / deviation, -mean / deviation)

    def get_config(self) -> dict[str, Any]:
        statistics = {"mean": self.input_mean, "variance": self.input_variance}
        return {**super().get_config(), **{name: _as_list(one) for name, one in statistics.items()}}
