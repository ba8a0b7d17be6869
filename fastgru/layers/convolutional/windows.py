"""Layers over arrays with spatial axes: what convolution, pooling and padding share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastgru.checks import choice, integers
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import Option
from fastgru.layers.workspace import Call
from fastgru.types import Array, Shape

__all__ = [
    "CAUSAL",
    "Margins",
    "Padding",
    "PerAxis",
    "SpatialLayer",
    "WindowLayer",
    "Windows",
    "inside",
    "padding",
    "per_axis",
]

CAUSAL = ("valid", "same", "causal")  # the paddings of a convolution over steps
Margins = Sequence[tuple[int, ...]]  # for each spatial axis the cells before and after


def inside(x: Array, margins: Margins) -> Array:
    """The part of x (B, *S, C) between the margins of its spatial axes."""
    return x[(slice(None), *(slice(low, size - high) for size, (low, high) in zip(x.shape[1:], margins, strict=False)))]


@dataclass(frozen=True)
class Windows:
    """How windows slide over spatial axes; one entry of each tuple for each axis.

    Attributes
    ----------
    size, strides, dilation : tuple of int
        Cells of a window, cells from one window to the next, cells from one cell of a window to its next.
    padding : {"valid", "same", "causal"}
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str

    @property
    def spans(self) -> tuple[int, ...]:
        """Cells from a window's first to its last."""
        return tuple((size - 1) * step + 1 for size, step in zip(self.size, self.dilation, strict=True))

    @property
    def positions(self) -> Iterator[Any]:
        """For each cell of a window the index that takes it from ``over(x)``."""
        return ((..., *index, slice(None)) for index in np.ndindex(self.size))

    def count(self, sizes: Shape) -> Shape:
        """Number of windows along axes of these sizes, where None stays None; below 1 where none fits."""
        spans = self.spans if self.padding == "valid" else (1,) * len(sizes)
        return tuple(
            None if size is None else (size - span) // stride + 1
            for size, span, stride in zip(sizes, spans, self.strides, strict=True)
        )

    def margins(self, sizes: tuple[int, ...]) -> Margins:
        """Cells that the padding adds before and after each axis."""
        if self.padding == "valid":
            return [(0, 0)] * len(sizes)
        if self.padding == "causal":
            return [(span - 1, 0) for span in self.spans]
        counts = (-(-size // stride) for size, stride in zip(sizes, self.strides, strict=True))
        totals = [
            max((count - 1) * stride + span - size, 0)
            for count, stride, span, size in zip(counts, self.strides, self.spans, sizes, strict=True)
        ]
        return [(total // 2, total - total // 2) for total in totals]

    def over(self, x: Array) -> Array:
        """The windows of a padded x (B, *S, C), as a view (B, *windows, *size, C)."""
        batch, *along, channels = x.strides
        counts = (
            (size - span) // stride + 1
            for size, span, stride in zip(x.shape[1:-1], self.spans, self.strides, strict=True)
        )
        between = (step * stride for step, stride in zip(along, self.strides, strict=True))
        within = (step * dilation for step, dilation in zip(along, self.dilation, strict=True))
        shape = (x.shape[0], *counts, *self.size, x.shape[-1])
        return as_strided(x, shape, (batch, *between, *within, channels))


class PerAxis(Option):
    """A number for each spatial axis of the layer; one stands for all."""

    def of(self, layer: Any, name: str, value: Any) -> tuple[int, ...]:
        if isinstance(value, (list, tuple)) and len(value) == layer.rank and 0 in value:
            raise ValueError(
                f"{layer._where}, {name}: expected an integer or {layer.rank} of them, each at least 1, got {value!r}. "
                f"The `{name}` argument must be a tuple of {layer.rank} integers. Received {name}={tuple(value)}, "
                "including values {0} that do not satisfy `value > 0`"
            )
        return integers(value, layer.rank, layer._where, name)


class Padding(Option):
    """One of the layer's `paddings`, in any case."""

    def of(self, layer: Any, name: str, value: Any) -> Any:
        return choice(value.lower() if isinstance(value, str) else value, layer.paddings, layer._where, name)


def per_axis(of_windows: str | None = None, **how: Any) -> Any:
    """`PerAxis`; layers of the last release have it in their `windows`, under this name."""
    return PerAxis(before=None if of_windows is None else attrgetter(f"windows.{of_windows}"), **how)


def padding() -> Any:
    return Padding(before=attrgetter("windows.padding"))


class SpatialLayer(Layer):
    """Base of the layers over (B, *S, C), or (B, C, *S) where data_format is "channels_first"; S has `rank` axes.

    Keras drops the mask at all of them.
    """

    rank: int
    _supports_masking = False

    data_format: str = options.data_format()

    def _parts(self, shape: Shape) -> tuple[Shape, int | None]:
        """The spatial sizes and the channels of an input's shape; ValueError where its rank is wrong."""
        if len(shape) != self.rank + 2:
            expected = self._joined("batch", [f"size{axis}" for axis in range(1, self.rank + 1)], "channels")
            raise ValueError(f"{self._where}: expected input of shape ({', '.join(expected)}), got {tuple(shape)}.")
        if self.data_format == "channels_last":
            return tuple(shape[1:-1]), shape[-1]
        return tuple(shape[2:]), shape[1]

    def _joined(self, batch: Any, sizes: Sequence[Any], channels: Any) -> tuple[Any, ...]:
        """A shape in the layer's data format."""
        return (batch, *sizes, channels) if self.data_format == "channels_last" else (batch, channels, *sizes)

    def _channels_last(self, x: Array) -> Array:
        """x as (B, *S, C): itself or a view."""
        return x if self.data_format == "channels_last" else np.moveaxis(x, 1, -1)

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self.compute_output_shape(inputs[0].shape)

    def outgoing_mask(self, call: Call, *inputs: Array) -> Array | None:
        return None


class WindowLayer(SpatialLayer):
    """Base of the layers that look at their input through windows."""

    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    windows: Windows

    def _counts(self, shape: Shape) -> Shape:
        """Number of windows along each spatial axis of an input; ValueError where one is shorter than a window."""
        sizes, _ = self._parts(shape)
        counts = self.windows.count(sizes)
        if any(count is not None and count < 1 for count in counts):
            raise ValueError(
                f"{self._where}: a window covers {self.windows.spans} cells, but the input of shape {tuple(shape)} has "
                f"only {sizes}; use padding='same' or longer input. Computed output size would be zero or negative."
            )
        return counts

    def _windows_of(self, call: Call, x: Array, value: float) -> Array:
        """The windows of an input, as a view (B, *windows, *size, C); padded cells hold `value`."""
        self._counts(x.shape)
        x = self._channels_last(x)
        margins = self.windows.margins(x.shape[1:-1])
        if np.any(margins):
            padded = call.buffer("padded", self._padded_shape(x, margins), self.dtype)
            padded.fill(value)
            inside(padded, margins)[...] = x
            x = padded
        return self.windows.over(x)

    def _summed_windows(self, call: Call, shape: tuple[int, ...], part: Callable[[Any], Array]) -> Array:
        """The gradient of an input of this shape.

        Parameters
        ----------
        part : callable
            The gradient (B, *windows, C) of what ``over(x)`` has at one of the `positions`.
        """
        dx = call.buffer("dx", shape, self.dtype)
        target = inner = self._channels_last(dx)
        margins = self.windows.margins(inner.shape[1:-1])
        if np.any(margins):
            target = call.buffer("d_padded", self._padded_shape(inner, margins), self.dtype)
        target.fill(0)
        windows = self.windows.over(target)
        for position in self.windows.positions:
            windows[position] += part(position)
        if target is not inner:
            inner[...] = inside(target, margins)
        return dx

    @staticmethod
    def _padded_shape(x: Array, margins: Margins) -> tuple[int, ...]:
        sizes = (size + low + high for size, (low, high) in zip(x.shape[1:-1], margins, strict=True))
        return (x.shape[0], *sizes, x.shape[-1])

    @property
    def _cells(self) -> int:
        """Cells of a window."""
        return math.prod(self.windows.size)
