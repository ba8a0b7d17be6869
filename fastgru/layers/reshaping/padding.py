"""Steps added to a sequence and taken from it; the same for rows and columns of images."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from fastgru.checks import integers
from fastgru.layers import options
from fastgru.layers.convolutional.windows import Margins, SpatialLayer, inside
from fastgru.layers.options import LayerOptions
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Cropping",
    "Cropping1D",
    "Cropping2D",
    "EndsOfTwo",
    "ZeroPadding",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ends",
    "ends_of_two",
]

EndsOfTwo = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]


def ends(value: Any, where: str, name: str) -> tuple[int, ...]:
    """Numbers for both ends of an axis, or one for both."""
    return integers(value, 2, where, name, least=0)


def ends_of_two(value: Any, where: str, name: str) -> Margins:
    """Numbers for both ends of two axes: one for all, one for each axis, or a pair for each."""
    axes = value if isinstance(value, (list, tuple)) else (value, value)
    if len(axes) != 2:
        raise ValueError(f"{where}, {name}: expected a number, two, or two pairs, got {value!r}.")
    return tuple(ends(axis, where, name) for axis in axes)


class ZeroPadding(SpatialLayer):
    """Base of the layers that put zeros around their input."""

    margins: Margins

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes, channels = self._parts(input_shape)
        padded = [None if one is None else one + sum(more) for one, more in zip(sizes, self.margins, strict=True)]
        return self._joined(input_shape[0], padded, channels)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        y = call.buffer("y", tuple(size or 0 for size in self.compute_output_shape(x.shape)), self.dtype)
        y.fill(0)
        inside(self._channels_last(y), self.margins)[...] = self._channels_last(x)
        call.saved["shape"] = x.shape
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        dx = call.buffer("dx", call.saved["shape"], self.dtype)
        self._channels_last(dx)[...] = inside(self._channels_last(dy), self.margins)
        return dx


@registered("keras.layers")
class ZeroPadding1D(ZeroPadding):
    """Put zeros before and after the steps of (B, T, C).

    Parameters
    ----------
    padding : int or (int, int)
        Steps before and after.
    data_format : {"channels_last", "channels_first"}, optional
    """

    rank = 1

    padding: tuple[int, ...] = options.option(ends)

    def __init__(
        self, padding: int | tuple[int, int] = 1, data_format: str | None = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        self.margins = [self.padding]


@registered("keras.layers")
class ZeroPadding2D(ZeroPadding):
    """Put zeros around the images of (B, H, W, C).

    Parameters
    ----------
    padding : int, (int, int) or ((int, int), (int, int))
        Rows above and below, columns at the left and at the right.
    data_format : {"channels_last", "channels_first"}, optional
    """

    rank = 2

    padding: Margins = options.option(ends_of_two, before=attrgetter("margins"))

    def __init__(
        self, padding: EndsOfTwo = (1, 1), data_format: str | None = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        self.margins = self.padding


class Cropping(SpatialLayer):
    """Base of the layers that take cells away at the ends of the axes."""

    margins: Margins
    cropping: Any
    limit = "Values in `cropping` argument should be smaller than the corresponding spatial dimension of the input."

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes, channels = self._parts(input_shape)
        cropped = [None if one is None else one - sum(less) for one, less in zip(sizes, self.margins, strict=True)]
        if any(one is not None and one <= 0 for one in cropped):
            raise ValueError(
                f"{self._where}: cropping {self.cropping} leaves nothing of input of shape {tuple(input_shape)}. "
                f"{self.limit}"
            )
        return self._joined(input_shape[0], cropped, channels)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        y = call.buffer("y", tuple(size or 0 for size in self.compute_output_shape(x.shape)), self.dtype)
        self._channels_last(y)[...] = inside(self._channels_last(x), self.margins)
        call.saved["shape"] = x.shape
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        dx = call.buffer("dx", call.saved["shape"], self.dtype)
        dx.fill(0)
        inside(self._channels_last(dx), self.margins)[...] = self._channels_last(dy)
        return dx


@registered("keras.layers")
class Cropping1D(Cropping):
    """Take steps of (B, T, C) away at both ends.

    Parameters
    ----------
    cropping : int or (int, int)
        Steps at the begin and at the end.
    """

    rank = 1

    limit = "The `cropping` parameter of `Cropping1D` layer must be smaller than the input length."

    data_format: str = options.data_format(in_config=False)  # Keras's layer has none
    cropping: tuple[int, ...] = options.option(ends)

    def __init__(self, cropping: int | tuple[int, int] = 1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        self.data_format = "channels_last"
        self.margins = [self.cropping]


@registered("keras.layers")
class Cropping2D(Cropping):
    """Take rows and columns of (B, H, W, C) away at all sides.

    Parameters
    ----------
    cropping : int, (int, int) or ((int, int), (int, int))
        Rows above and below, columns at the left and at the right.
    data_format : {"channels_last", "channels_first"}, optional
    """

    rank = 2

    cropping: Margins = options.option(ends_of_two, before=attrgetter("margins"))

    def __init__(
        self, cropping: EndsOfTwo = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        self.margins = self.cropping
