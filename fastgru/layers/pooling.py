"""Pooling: the largest cell or the mean of each window, or of a whole channel."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru.layers import options
from fastgru.layers.convolutional.windows import SpatialLayer, WindowLayer, Windows, padding, per_axis
from fastgru.layers.options import LayerOptions, RegularizerLike, SharedOptions, Sizes
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "AveragePooling",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "GlobalAveragePooling",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalPooling",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling",
    "MaxPooling1D",
    "MaxPooling2D",
    "Pooling",
    "PoolingOptions",
]


class PoolingOptions(SharedOptions, total=False):
    """The keyword arguments of a layer that names its `name` itself."""

    input_dim: int | None
    activity_regularizer: RegularizerLike


class Pooling(WindowLayer):
    """Base of the layers that pool each window of each channel.

    Parameters
    ----------
    pool_size : int or tuple of int
        Size of the windows.
    strides : int or tuple of int, optional
        From one window to the next; `pool_size` where absent.
    padding : {"valid", "same"}
        Padded cells count for nothing.
    data_format : {"channels_last", "channels_first"}, optional
    """

    pool_size: tuple[int, ...] = per_axis("size")
    strides: tuple[int, ...] = per_axis("strides")
    padding: str = padding()

    def __init__(
        self,
        pool_size: Sizes,
        strides: Sizes | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Unpack[PoolingOptions],
    ) -> None:
        super().__init__(name=name, **kwargs)
        strides = pool_size if strides is None else strides
        self._set_options(locals())
        self.windows = Windows(self.pool_size, self.strides, (1,) * self.rank, self.padding)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._joined(input_shape[0], self._counts(input_shape), self._parts(input_shape)[1])

    def _output(self, call: Call, windows: Array) -> Array:
        """Memory for the output, in the layer's data format."""
        shape = self._joined(len(windows), windows.shape[1 : self.rank + 1], windows.shape[-1])
        return call.buffer("y", shape, self.dtype)


class MaxPooling(Pooling):
    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Unpack[PoolingOptions],
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)

    def forward(self, call: Call, *inputs: Array) -> Array:
        windows = self._windows_of(call, inputs[0], -np.inf)
        y = self._output(call, windows)
        largest = self._channels_last(y)
        largest.fill(-np.inf)
        for position in self.windows.positions:
            np.maximum(largest, windows[position], out=largest)
        call.saved.update(shape=inputs[0].shape, windows=windows, largest=largest)
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        windows, largest = call.saved["windows"], call.saved["largest"]
        dy = self._channels_last(dy)
        taken = call.buffer("taken", largest.shape, "bool")
        taken.fill(False)
        takes = call.buffer("takes", largest.shape, "bool")
        d_cells = call.buffer("d_cells", largest.shape, self.dtype)

        def part(position: Any) -> Array:
            # the whole gradient goes to the first of equally large cells
            np.equal(windows[position], largest, out=takes)
            np.greater(takes, taken, out=takes)
            np.logical_or(taken, takes, out=taken)
            return np.multiply(dy, takes, out=d_cells)

        return self._summed_windows(call, call.saved["shape"], part)


class AveragePooling(Pooling):
    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        windows = self._windows_of(call, x, 0)
        y = self._output(call, windows)
        mean = self._channels_last(y)
        mean.fill(0)
        for position in self.windows.positions:
            np.add(mean, windows[position], out=mean)
        call.saved["cells"] = cells = self._real_cells(self._channels_last(x).shape[1:-1])
        call.saved["shape"] = x.shape
        np.divide(mean, cells, out=mean)
        return y

    def _real_cells(self, sizes: tuple[int, ...]) -> Array:
        """How many cells of each window lie in the input and not in the padding: (*windows, 1)."""
        along = []
        margins = self.windows.margins(sizes)
        for size, (low, high), cells, stride in zip(
            sizes, margins, self.windows.size, self.windows.strides, strict=True
        ):
            begin = np.arange(0, size + low + high - cells + 1, stride) - low
            along.append(np.minimum(begin + cells, size) - np.maximum(begin, 0))
        return functools.reduce(np.multiply.outer, along)[..., None].astype(self.dtype)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        dy = self._channels_last(dy)
        d_cells = np.divide(dy, call.saved["cells"], out=call.buffer("d_cells", dy.shape, self.dtype))
        return self._summed_windows(call, call.saved["shape"], lambda position: d_cells)


class GlobalPooling(SpatialLayer):
    """Base of the layers that pool all cells of each channel.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
    keepdims : bool
        Keep the spatial axes, with size 1.
    """

    keepdims: bool = options.flag()

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    @property
    def _axes(self) -> tuple[int, ...]:
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = (1,) * self.rank if self.keepdims else ()
        return self._joined(input_shape[0], sizes, self._parts(input_shape)[1])

    def _output(self, pooled: Array) -> Array:
        """What comes out, of an array that keeps the spatial axes."""
        return pooled if self.keepdims else pooled.squeeze(self._axes)

    def _with_spatial_axes(self, dy: Array) -> Array:
        """The gradient of the output with the spatial axes."""
        return dy if self.keepdims else np.expand_dims(dy, self._axes)


class GlobalMaxPooling(GlobalPooling):
    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["x"], call.saved["largest"] = x, (largest := x.max(self._axes, keepdims=True))
        return self._output(largest)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        x = call.saved["x"]
        takes = np.equal(x, call.saved["largest"], out=call.buffer("takes", x.shape, "bool"))
        # equally large cells share the gradient, other than in MaxPooling; Keras has it so
        share = self._with_spatial_axes(dy) / np.maximum(takes.sum(self._axes, keepdims=True, dtype=self.dtype), 1)
        return np.multiply(takes, share, out=call.buffer("dx", x.shape, self.dtype))


class GlobalAveragePooling(GlobalPooling):
    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["x"], call.saved["used"] = x, (used := self._used(call))
        if used is None:
            return self._output(x.mean(self._axes, keepdims=True))
        masked = call.buffer("masked", x.shape, self.dtype)
        masked.fill(0)  # and not a product with the mask: what is masked may be NaN
        np.copyto(masked, x, where=used)
        count = used.sum(self._axes, keepdims=True, dtype=self.dtype)
        with np.errstate(invalid="ignore"):  # a row without a step has no mean: NaN, as in Keras
            return self._output(masked.sum(self._axes, keepdims=True) / count)

    def _used(self, call: Call) -> Array | None:
        """Which cells count, against the input's shape; None for all."""
        return None

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        x, used = call.saved["x"], call.saved["used"]
        dx = call.buffer("dx", x.shape, self.dtype)
        if used is None:
            np.copyto(dx, self._with_spatial_axes(dy) / (x.size // dy.size))
            return dx
        share = self._with_spatial_axes(dy) / np.maximum(used.sum(self._axes, keepdims=True, dtype=self.dtype), 1)
        return np.multiply(used, share, out=dx)


@registered("keras.layers", "MaxPool1D")
class MaxPooling1D(MaxPooling):
    """The largest cell of each window of (B, T, C); arguments as in `Pooling`."""

    rank = 1


@registered("keras.layers", "MaxPool2D")
class MaxPooling2D(MaxPooling):
    """The largest cell of each window of (B, H, W, C); arguments as in `Pooling`."""

    rank = 2


@registered("keras.layers", "AvgPool1D")
class AveragePooling1D(AveragePooling):
    """The mean of each window of (B, T, C); arguments as in `Pooling`."""

    rank = 1


@registered("keras.layers", "AvgPool2D")
class AveragePooling2D(AveragePooling):
    """The mean of each window of (B, H, W, C); arguments as in `Pooling`."""

    rank = 2


@registered("keras.layers", "GlobalMaxPool1D")
class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest of all steps of (B, T, C), masked ones too; arguments as in `GlobalPooling`."""

    rank = 1


@registered("keras.layers", "GlobalMaxPool2D")
class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest of all cells of (B, H, W, C); arguments as in `GlobalPooling`."""

    rank = 2


@registered("keras.layers", "GlobalAvgPool1D")
class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean of the steps of (B, T, C) that the mask leaves; arguments as in `GlobalPooling`."""

    rank = 1
    _supports_masking = True

    def __call__(self, inputs: Any, *more: Any, mask: Any = None, training: bool | None = None) -> Any:
        """`Layer.__call__`, with the mask in the second place, too."""
        if mask is None and len(more) == 1:
            (mask,), more = more, ()
        return super().__call__(inputs, *more, mask=mask, training=training)

    def _used(self, call: Call) -> Array | None:
        return None if call.mask is None else np.expand_dims(call.mask, 3 - self._axes[0])

    def as_mask(self, mask: npt.ArrayLike, x: Array) -> Array:
        return super().as_mask(mask, self._channels_last(x))


@registered("keras.layers", "GlobalAvgPool2D")
class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean of all cells of (B, H, W, C); arguments as in `GlobalPooling`."""

    rank = 2


# Keras's other names
AvgPool1D, AvgPool2D = AveragePooling1D, AveragePooling2D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
MaxPool1D, MaxPool2D = MaxPooling1D, MaxPooling2D
