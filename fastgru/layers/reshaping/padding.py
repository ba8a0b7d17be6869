"""Steps added to a sequence and taken from it; the same for rows and columns of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastgru.layers.convolutional.windows import SpatialLayer, inside, whole_numbers
from fastgru.layers.layer import Array, Call, Shape
from fastgru.registry import registered


def pairs(value: Any, where: str) -> Sequence[tuple[int, ...]]:
    """Two pairs of numbers: one number for all, one for each axis, or a pair for each."""
    axes = value if isinstance(value, (list, tuple)) else (value, value)
    if len(axes) != 2:
        raise ValueError(f"{where}: expected a number, two, or two pairs, got {value!r}.")
    return tuple(whole_numbers(axis, 2, where, least=0) for axis in axes)


class ZeroPadding(SpatialLayer):
    """Base of the layers that put zeros around their input."""

    margins: Sequence[tuple[int, ...]]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes, channels = self._parts(input_shape)
        found = [None if one is None else one + sum(more) for one, more in zip(sizes, self.margins, strict=True)]
        return self._joined(input_shape[0], found, channels)

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

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = whole_numbers(padding, 2, f"{self._where}, padding", least=0)
        self.margins = [self.padding]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}


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

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.margins = pairs(padding, f"{self._where}, padding")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.margins}


class Cropping(SpatialLayer):
    """Base of the layers that take cells away at the ends of the axes."""

    margins: Sequence[tuple[int, ...]]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes, channels = self._parts(input_shape)
        found = [None if one is None else one - sum(less) for one, less in zip(sizes, self.margins, strict=True)]
        if any(one is not None and one <= 0 for one in found):
            raise ValueError(
                f"{self._where}: cropping {self._given} leaves nothing of input of shape {tuple(input_shape)}."
            )
        return self._joined(input_shape[0], found, channels)

    @property
    def _given(self) -> Any:
        """The argument as Keras has it."""
        return self.margins

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

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cropping": self._given}


@registered("keras.layers")
class Cropping1D(Cropping):
    """Take steps of (B, T, C) away at both ends.

    Parameters
    ----------
    cropping : int or (int, int)
        Steps at the begin and at the end.
    """

    rank = 1

    def __init__(self, cropping: Any = 1, **kwargs: Any) -> None:
        super().__init__("channels_last", **kwargs)
        self.cropping = whole_numbers(cropping, 2, f"{self._where}, cropping", least=0)
        self.margins = [self.cropping]

    @property
    def _given(self) -> Any:
        return self.cropping

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]  # Keras's layer has none
        return config


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

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.margins = pairs(cropping, f"{self._where}, cropping")
