"""Layers that scale their input by numbers given or measured beforehand, or by its own length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru.layers.layer import Array, Call, Layer, Shape
from fastgru.registry import registered

_TINY = 1e-7  # keras.backend.epsilon()


class Affine(Layer):
    """y = x * scale + offset, with numbers that no training changes."""

    def _scale_and_offset(self) -> tuple[Any, Any]:
        raise NotImplementedError

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        scale, offset = self._scale_and_offset()
        return np.asarray(x * scale + offset, self.dtype)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        return np.asarray(dy * self._scale_and_offset()[0], self.dtype)


@registered("keras.layers")
class Rescaling(Affine):
    """``x * scale + offset``.

    Parameters
    ----------
    scale, offset : float or list of float
        One number, or one for each feature.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset

    def _scale_and_offset(self) -> tuple[Any, Any]:
        return np.asarray(self.scale, self.dtype), np.asarray(self.offset, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


@registered("keras.layers")
class Normalization(Affine):
    """``(x - mean) / sqrt(variance)`` with statistics that were given, or measured by Keras and stored with the model.

    Parameters
    ----------
    axis : int, sequence of int or None
        The axes with statistics of their own.
    mean, variance : float or array_like, optional
        Both or none; without them the layer has weights for them, and for the number of rows that were counted.
    invert : bool
        ``x * sqrt(variance) + mean`` instead.
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise ValueError(f"Normalization {self.name!r}: expected mean and variance, or neither.")
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.mean, self.variance = mean, variance
        self.invert = bool(invert)

    def build(self, input_shape: Shape) -> None:
        self._sizes(input_shape)
        if self.mean is None:
            own = tuple(input_shape[axis] or 0 for axis in self._axes(input_shape))
            self.moving_mean = self.add_weight("mean", own, "zeros", trainable=False)
            self.moving_variance = self.add_weight("variance", own, "ones", trainable=False)
            self.add_weight("count", (), "zeros", trainable=False)
        self._rank = len(input_shape)
        self._kept = self._sizes(input_shape)
        self.built = True

    def _axes(self, shape: Shape) -> list[int]:
        if any(not -len(shape) <= axis < len(shape) for axis in self.axis):
            raise ValueError(f"Normalization {self.name!r}: input of shape {tuple(shape)} has no axis {self.axis}.")
        return sorted(axis % len(shape) for axis in self.axis)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        """The shape of the statistics beside an input."""
        axes = self._axes(shape)
        if any(shape[axis] is None for axis in axes):
            raise ValueError(f"Normalization {self.name!r}: axes {axes} must be known to build it, got {tuple(shape)}.")
        return tuple((size or 1) if axis in axes else 1 for axis, size in enumerate(shape))

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        if inputs[0].ndim != self._rank or self._sizes(inputs[0].shape) != self._kept:
            raise ValueError(
                f"Normalization {self.name!r}: expected input that broadcasts with {self._kept}, got {inputs[0].shape}."
            )

    def _scale_and_offset(self) -> tuple[Any, Any]:
        given = (
            (self.moving_mean.value, self.moving_variance.value) if self.mean is None else (self.mean, self.variance)
        )
        mean, variance = (self._beside_input(np.asarray(one, self.dtype)) for one in given)
        deviation = np.maximum(np.sqrt(variance), np.asarray(_TINY, self.dtype))
        return (deviation, mean) if self.invert else (1 / deviation, -mean / deviation)

    def _beside_input(self, statistics: Array) -> Array:
        return statistics.reshape(self._kept) if statistics.size == math.prod(self._kept) else statistics

    def get_config(self) -> dict[str, Any]:
        given = {
            name: None if one is None else np.asarray(one).tolist()
            for name, one in (("mean", self.mean), ("variance", self.variance))
        }
        return {**super().get_config(), "axis": self.axis, "invert": self.invert, **given}


@registered("keras.layers")
class UnitNormalization(Layer):
    """Divide by the Euclidean norm along the axes.

    Parameters
    ----------
    axis : int or list of int
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        axes = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        square = np.sum(x * x, axis=axes, keepdims=True)
        call.saved["axes"] = axes
        call.saved["inverse"] = inverse = 1 / np.sqrt(np.maximum(square, np.asarray(1e-12, self.dtype)))
        call.saved["y"] = y = x * inverse
        return np.asarray(y)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        y, inverse = call.saved["y"], call.saved["inverse"]
        along = np.sum(dy * y, axis=call.saved["axes"], keepdims=True)
        return np.asarray((dy - y * along) * inverse)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
