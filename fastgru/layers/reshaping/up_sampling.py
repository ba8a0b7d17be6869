"""Cells repeated along the spatial axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.layers.convolutional.windows import SpatialLayer, whole_numbers
from fastgru.layers.layer import Array, Call, Shape
from fastgru.registry import registered


class UpSampling(SpatialLayer):
    """Base of the layers that put each cell out several times along each axis."""

    size: tuple[int, ...]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes, channels = self._parts(input_shape)
        found = [None if old is None else old * times for old, times in zip(sizes, self.size, strict=True)]
        return self._joined(input_shape[0], found, channels)

    def forward(self, call: Call, *inputs: Array) -> Array:
        y = self._channels_last(inputs[0])
        for axis, times in enumerate(self.size, 1):
            y = np.repeat(y, times, axis)
        return y if self.data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(y, -1, 1))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        d = self._channels_last(dy)
        batch, *sizes, channels = d.shape
        cells = [one for size, times in zip(sizes, self.size, strict=True) for one in (size // times, times)]
        dx = d.reshape(batch, *cells, channels).sum(tuple(range(2, 2 + 2 * self.rank, 2)))
        return np.ascontiguousarray(dx if self.data_format == "channels_last" else np.moveaxis(dx, -1, 1))


@registered("keras.layers")
class UpSampling1D(UpSampling):
    """Repeat each step of (B, T, C).

    Parameters
    ----------
    size : int
        How many times.
    """

    rank = 1

    def __init__(self, size: Any = 2, **kwargs: Any) -> None:
        super().__init__("channels_last", **kwargs)
        self.size = whole_numbers(size, 1, f"{self._where}, size")

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "size": self.size[0]}
        del config["data_format"]  # Keras's layer has none
        return config


@registered("keras.layers")
class UpSampling2D(UpSampling):
    """Repeat the rows and columns of (B, H, W, C).

    Parameters
    ----------
    size : int or (int, int)
        How many times.
    data_format : {"channels_last", "channels_first"}, optional
    interpolation : {"nearest"}
    """

    rank = 2

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(data_format, **kwargs)
        if interpolation != "nearest":
            raise ValueError(f"{self._where}: only interpolation='nearest' is supported, got {interpolation!r}.")
        self.size = whole_numbers(size, 2, f"{self._where}, size")
        self.interpolation = interpolation

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "interpolation": self.interpolation}
