"""Cells repeated along the spatial axes, or new ones between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks
from fastgru.layers import options
from fastgru.layers.convolutional.windows import SpatialLayer, per_axis
from fastgru.layers.options import LayerOptions, Sizes
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["UpSampling", "UpSampling1D", "UpSampling2D", "weights_of_cells"]


def _cubic(x: Array) -> Array:
    """The kernel of Keys (1981), with a = -1/2."""
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: int, x: Array) -> Array:
    return np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0)


# how much a cell counts at a distance from it
KERNELS: dict[str, Callable[[Array], Array]] = {
    "bilinear": lambda x: np.maximum(0, 1 - x),
    "bicubic": _cubic,
    "lanczos3": partial(_lanczos, 3),
    "lanczos5": partial(_lanczos, 5),
}


@lru_cache(maxsize=32)
def weights_of_cells(interpolation: str, cells: int, times: int, dtype: str) -> Array:
    """How much each of the cells along an axis counts in each of ``cells * times``; rows add up to 1."""
    places = (np.arange(cells * times) + 0.5) / times - 0.5
    weights = KERNELS[interpolation](np.abs(places[:, None] - np.arange(cells)))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(dtype)


def _interpolation(value: Any, where: str, name: str) -> str:
    return str(checks.choice(value, ("nearest", *KERNELS), where, name))


class UpSampling(SpatialLayer):
    """Base of the layers that put each cell out several times along each axis."""

    size: tuple[int, ...]
    interpolation = "nearest"

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes, channels = self._parts(input_shape)
        enlarged = [None if old is None else old * times for old, times in zip(sizes, self.size, strict=True)]
        return self._joined(input_shape[0], enlarged, channels)

    def forward(self, call: Call, *inputs: Array) -> Array:
        y = self._channels_last(inputs[0])
        for axis, times in enumerate(self.size, 1):
            y = np.repeat(y, times, axis) if self.interpolation == "nearest" else self._weighted(y, axis, times)
        return np.ascontiguousarray(y if self.data_format == "channels_last" else np.moveaxis(y, -1, 1))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        d = self._channels_last(dy)
        if self.interpolation == "nearest":
            batch, *sizes, channels = d.shape
            cells = [one for size, times in zip(sizes, self.size, strict=True) for one in (size // times, times)]
            dx = d.reshape(batch, *cells, channels).sum(tuple(range(2, 2 + 2 * self.rank, 2)))
        else:
            dx = d
            for axis, times in enumerate(self.size, 1):
                dx = self._weighted(dx, axis, times, back=True)
        return np.ascontiguousarray(dx if self.data_format == "channels_last" else np.moveaxis(dx, -1, 1))

    def _weighted(self, x: Array, axis: int, times: int, back: bool = False) -> Array:
        """Each of the new cells along an axis as a sum of the old ones, or the gradient on its way back."""
        cells = x.shape[axis] // times if back else x.shape[axis]
        weights = weights_of_cells(self.interpolation, cells, times, self.dtype)
        return np.moveaxis(np.tensordot(weights.T if back else weights, x, (1, axis)), 0, axis)


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
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"}
    """

    rank = 2

    size: tuple[int, ...] = per_axis()
    interpolation: str = options.option(_interpolation)

    def __init__(
        self,
        size: Sizes = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
