"""Cells repeated along the spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru.layers import options
from fastgru.layers.convolutional.windows import SpatialLayer, per_axis
from fastgru.layers.options import LayerOptions, Sizes
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["UpSampling", "UpSampling1D", "UpSampling2D"]


def _only_nearest(value: Any, where: str, name: str) -> str:
    if value != "nearest":
        raise ValueError(f"{where}: only {name}='nearest' is supported, got {value!r}.")
    return "nearest"


class UpSampling(SpatialLayer):
    """Base of the layers that put each cell out several times along each axis."""

    size: tuple[int, ...]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes, channels = self._parts(input_shape)
        enlarged = [None if old is None else old * times for old, times in zip(sizes, self.size, strict=True)]
        return self._joined(input_shape[0], enlarged, channels)

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

    data_format: str = options.data_format(in_config=False)  # Keras's layer has none
    size: tuple[int, ...] = per_axis(serialize=lambda size: size[0])

    def __init__(self, size: int = 2, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        self.data_format = "channels_last"


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

    size: tuple[int, ...] = per_axis()
    interpolation: str = options.option(_only_nearest)

    def __init__(
        self,
        size: Sizes = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
