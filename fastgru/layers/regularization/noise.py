"""Noise in training and nothing otherwise: the spatial dropouts, AlphaDropout, GaussianNoise, GaussianDropout."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import activations, checks
from fastgru.layers import options
from fastgru.layers.context import context
from fastgru.layers.options import LayerOptions
from fastgru.layers.regularization.dropout import Dropout
from fastgru.layers.seeded import Seeded
from fastgru.layers.share import drawn, uniform
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AlphaDropout", "Gaussian", "GaussianDropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D"]


@registered("keras.layers")
class SpatialDropout1D(Dropout):
    """Dropout that drops whole features: each of (B, T, F) at all steps or at none (Tompson et al. 2015).

    Parameters
    ----------
    rate : float
        In [0, 1].
    seed : int, optional
        For a stream of the layer's own.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(rate, (None, 1, None), seed, **kwargs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise ValueError(
                f"{self._where}: expected input of shape (batch, timesteps, features), got {tuple(input_shape)}."
            )
        return input_shape

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self.compute_output_shape(inputs[0].shape)

    def get_config(self) -> dict[str, Any]:
        # Keras's constructor takes no others
        return {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}


@registered("keras.layers")
class SpatialDropout2D(Dropout):
    """Dropout that drops whole channels of images (B, H, W, C).

    Parameters
    ----------
    rate : float
        In [0, 1].
    data_format : {"channels_last", "channels_first"}, optional
    seed : int, optional
        For a stream of the layer's own.
    """

    data_format: str = options.data_format()

    def __init__(
        self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self._set_options(locals())
        self.noise_shape = (None, 1, 1, None) if self.data_format == "channels_last" else (None, None, 1, 1)

    def get_config(self) -> dict[str, Any]:
        # Keras's constructor takes no others
        settings = {"rate": self.rate, "seed": self.seed, "data_format": self.data_format}
        return {**settings, "name": self.name, "dtype": self.dtype}


# what a dropped number becomes: SELU's lower limit
_LIMIT = -activations.SELU_ALPHA * activations.SELU_SCALE


@registered("keras.layers")
class AlphaDropout(Dropout):
    """Dropout that sets numbers to SELU's lower limit and keeps mean and variance (Klambauer et al. 2017).

    Parameters
    ----------
    rate, noise_shape, seed
        As in `Dropout`.
    """

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["mask"] = None
        if not call.training or self.rate == 0:
            return x
        shape = x.shape if self.noise_shape is None else self._mask_shape(x.shape)
        survives = uniform(self._generator, shape, self._row_axis) >= self.rate
        a = ((1 - self.rate) * (1 + self.rate * _LIMIT**2)) ** -0.5
        call.saved["mask"] = np.multiply(survives, a, dtype=self.dtype)
        return np.asarray(np.where(survives, x, _LIMIT) * a - a * _LIMIT * self.rate, self.dtype)


class Gaussian(Seeded):
    """Normal noise in training; a subclass says how it changes the inputs."""

    def _noise(self, call: Call, shape: tuple[int, ...], stddev: float) -> Array:
        noise = call.buffer("noise", shape, self.dtype)
        if context.share is None:
            self._generator.standard_normal(dtype=noise.dtype.type, out=noise)
        else:
            noise[...] = drawn(partial(self._generator.standard_normal, dtype=noise.dtype.type), shape)
        noise *= stddev
        return noise


@registered("keras.layers")
class GaussianNoise(Gaussian):
    """Add normal noise of mean 0 in training.

    Parameters
    ----------
    stddev : float
        Its standard deviation, in [0, 1].
    seed : int, optional
        For a stream of the layer's own.
    """

    stddev: float = options.option(checks.rate)
    seed: int | None = options.seed()

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        if not call.training or self.stddev == 0:
            return x
        y = self._noise(call, x.shape, self.stddev)
        y += x
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        return d_outputs[0]


@registered("keras.layers")
class GaussianDropout(Gaussian):
    """Multiply by normal noise of mean 1 and standard deviation ``sqrt(rate / (1 - rate))`` in training.

    Parameters
    ----------
    rate : float
        In [0, 1).
    seed : int, optional
        For a stream of the layer's own.
    """

    rate: float = options.option(checks.rate_below_one)
    seed: int | None = options.seed()

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["noise"] = None
        if not call.training or self.rate == 0:
            return x
        call.saved["noise"] = noise = self._noise(call, x.shape, math.sqrt(self.rate / (1 - self.rate)))
        noise += 1
        return np.multiply(x, noise, out=call.buffer("y", x.shape, self.dtype))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        noise = call.saved["noise"]
        if noise is None or dy is None:
            return dy
        return np.multiply(dy, noise, out=call.buffer("dx", dy.shape, self.dtype))
