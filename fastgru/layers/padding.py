"""Steps added to a sequence and taken from it."""

from __future__ import annotations

from typing import Any

from fastgru.layers.layer import Array, Call, Shape
from fastgru.layers.spatial import SpatialLayer, inside, whole_numbers
from fastgru.registry import registered


@registered("keras.layers")
class ZeroPadding1D(SpatialLayer):
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

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        (steps,), channels = self._parts(input_shape)
        return self._joined(input_shape[0], [None if steps is None else steps + sum(self.padding)], channels)

    def forward(self, call: Call, *inputs: Array) -> Array:
        x = self._channels_last(inputs[0])
        batch, steps, channels = x.shape
        y = call.buffer("y", self._joined(batch, [steps + sum(self.padding)], channels), self.dtype)
        y.fill(0)
        inside(self._channels_last(y), [self.padding])[...] = x
        call.saved["shape"] = inputs[0].shape
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        dx = call.buffer("dx", call.saved["shape"], self.dtype)
        self._channels_last(dx)[...] = inside(self._channels_last(dy), [self.padding])
        return dx

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}


@registered("keras.layers")
class Cropping1D(SpatialLayer):
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

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        (steps,), channels = self._parts(input_shape)
        if steps is not None and steps <= sum(self.cropping):
            raise ValueError(
                f"{self._where}: cropping {self.cropping} leaves nothing of input of shape {tuple(input_shape)}."
            )
        return (input_shape[0], None if steps is None else steps - sum(self.cropping), channels)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        self.compute_output_shape(x.shape)  # an error where nothing is left
        kept = inside(x, [self.cropping])
        y = call.buffer("y", kept.shape, self.dtype)
        y[...] = kept
        call.saved["shape"] = x.shape
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        dx = call.buffer("dx", call.saved["shape"], self.dtype)
        dx.fill(0)
        inside(dx, [self.cropping])[...] = dy
        return dx

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "cropping": self.cropping}
        del config["data_format"]  # Keras's layer has none
        return config
