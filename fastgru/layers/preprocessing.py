"""Layers that scale their input by numbers that are chosen or measured beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, config
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.workspace import Call
from fastgru.moved import attributes
from fastgru.registry import registered
from fastgru.serialization import deserialize_keras_object, serialize_keras_object
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Affine", "Normalization", "Rescaling"]


class Affine(Layer):
    """y = x * scale + offset, with numbers that no training changes."""

    def _scale_and_offset(self, call: Call) -> tuple[Any, Any]:
        raise NotImplementedError

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        scale, offset = self._scale_and_offset(call)
        return np.asarray(x * scale + offset, self.dtype)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        return np.asarray(dy * self._scale_and_offset(call)[0], self.dtype)


def _numbers(value: Any, where: str, name: str) -> Any:
    return deserialize_keras_object(value) if isinstance(value, Mapping) else value


@registered("keras.layers")
class Rescaling(Affine):
    """``x * scale + offset``.

    Parameters
    ----------
    scale, offset : float or list of float
        One number, or one for each feature.
    """

    scale: npt.ArrayLike = options.option(_numbers, serialize=serialize_keras_object)
    offset: npt.ArrayLike = options.option(_numbers, serialize=serialize_keras_object)

    def __init__(self, scale: npt.ArrayLike, offset: npt.ArrayLike = 0.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def _scale_and_offset(self, call: Call) -> tuple[Any, Any]:
        return np.asarray(self.scale, self.dtype), np.asarray(self.offset, self.dtype)


def _axes(value: Any, where: str, name: str) -> tuple[int, ...]:
    if value is None:
        return ()
    axes = checks.axes(value, where, name)
    return (axes,) if isinstance(axes, int) else tuple(axes)


def _as_list(statistics: Any) -> Any:
    return None if statistics is None else np.asarray(statistics).tolist()


@registered("keras.layers")
class Normalization(Affine):
    """``(x - mean) / sqrt(variance)`` with statistics that are chosen, or measured by Keras and stored with the model.

    Parameters
    ----------
    axis : int, sequence of int or None
        The axes that have statistics for each of their places.
    mean, variance : float or array_like, optional
        Both or none; without them the layer has weights for them, and for the number of rows that were counted.
    invert : bool
        ``x * sqrt(variance) + mean`` instead.
    """

    axis: tuple[int, ...] = options.option(_axes)
    invert: bool = options.flag()
    mean: npt.ArrayLike | None = options.option(serialize=_as_list)
    variance: npt.ArrayLike | None = options.option(serialize=_as_list)

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
        if (mean is None) != (variance is None):
            raise ValueError(f"{self._where}: expected mean and variance, or neither.")

    def build(self, input_shape: Shape) -> None:
        self._sizes(input_shape)
        if self.mean is None:
            sizes = tuple(input_shape[axis] or 0 for axis in self._axes(input_shape))
            self.moving_mean = self.add_weight("mean", sizes, "zeros", trainable=False)
            self.moving_variance = self.add_weight("variance", sizes, "ones", trainable=False)
            self.add_weight("count", (), "zeros", trainable=False)
        self._rank = len(input_shape)
        self._broadcast = self._sizes(input_shape)
        self.built = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"_broadcast": state.get("_kept"), **state})  # its name before 0.2

    def _axes(self, shape: Shape) -> list[int]:
        if any(not -len(shape) <= axis < len(shape) for axis in self.axis):
            raise ValueError(f"{self._where}: input of shape {tuple(shape)} has no axis {self.axis}.")
        return sorted(axis % len(shape) for axis in self.axis)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        """The shape of the statistics beside an input."""
        axes = self._axes(shape)
        if any(shape[axis] is None for axis in axes):
            raise ValueError(f"{self._where}: axes {axes} must be known to build it, got {tuple(shape)}.")
        return tuple((size or 1) if axis in axes else 1 for axis, size in enumerate(shape))

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        if inputs[0].ndim != self._rank or self._sizes(inputs[0].shape) != self._broadcast:
            raise ValueError(
                f"{self._where}: expected input that broadcasts with {self._broadcast}, got {inputs[0].shape}."
            )

    def _scale_and_offset(self, call: Call) -> tuple[Any, Any]:
        statistics = self.mean, self.variance
        if self.mean is None:
            statistics = call.value(self.moving_mean), call.value(self.moving_variance)
        mean, variance = (self._beside_input(np.asarray(one, self.dtype)) for one in statistics)
        deviation = np.maximum(np.sqrt(variance), np.asarray(config.epsilon(), self.dtype))
        return (deviation, mean) if self.invert else (1 / deviation, -mean / deviation)

    def _beside_input(self, statistics: Array) -> Array:
        return statistics.reshape(self._broadcast) if statistics.size == math.prod(self._broadcast) else statistics


__getattr__ = attributes(__name__)
