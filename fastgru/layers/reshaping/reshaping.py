"""Layers that only move numbers: Flatten, Reshape, Permute, RepeatVector. As in Keras, a mask ends here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Flatten", "Permute", "RepeatVector", "Reshape", "Reshaping"]


class Reshaping(Layer):
    """What they share. `compute_output_shape` refuses a shape that does not fit, and `forward` asks it."""

    homogeneous = True
    _supports_masking = False

    def outgoing_mask(self, call: Call, *inputs: Array) -> None:
        return None

    def _transposed(self, call: Call, name: str, x: Array, axes: Sequence[int]) -> Array:
        y = call.buffer(name, tuple(x.shape[axis] for axis in axes), self.dtype)
        np.copyto(y, x.transpose(axes))
        return y


@registered("keras.layers")
class Flatten(Reshaping):
    """All axes but the batch in one: (B, ...) becomes (B, F), and (B,) becomes (B, 1).

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}, optional
        ``"channels_first"`` moves axis 1 to the end before. None is ``"channels_last"``.
    """

    data_format: str = options.data_format()

    def __init__(self, data_format: str | None = None, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = input_shape[1:]
        return (input_shape[0], None if None in sizes else math.prod(size for size in sizes if size is not None))

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["shape"] = x.shape
        if self.data_format == "channels_first" and x.ndim > 2:
            x = self._transposed(call, "y", x, (0, *range(2, x.ndim), 1))
        return x.reshape(len(x), -1)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        if dy is None:
            return None
        batch, *sizes = call.saved["shape"]
        if self.data_format == "channels_first" and len(sizes) > 1:
            dy = dy.reshape(batch, *sizes[1:], sizes[0])
            return self._transposed(call, "dx", dy, (0, dy.ndim - 1, *range(1, dy.ndim - 1)))
        return dy.reshape(batch, *sizes)


def _target_shape(value: Any, where: str, name: str) -> tuple[int, ...]:
    sizes = checks.listed(value, where, name)
    if not all(isinstance(size, checks.INTEGERS) and size >= -1 for size in sizes):
        raise ValueError(
            f"{where}: {name} must have sizes of at least 0 and at most one -1: each a non-negative integer or -1. "
            f"Received: {name}={value!r}"
        )
    if sizes.count(-1) > 1:
        raise ValueError(
            f"{where}: {name} must have sizes of at least 0 and at most one -1: at most one unknown dimension. "
            f"Received: {name}={value!r}"
        )
    return sizes


@registered("keras.layers")
class Reshape(Reshaping):
    """The same numbers in another shape.

    Parameters
    ----------
    target_shape : sequence of int
        Without the batch axis; one size may be -1 and is what remains.
    """

    target_shape: tuple[int, ...] = options.option(_target_shape)

    def __init__(self, target_shape: Sequence[int], **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sizes = input_shape
        fixed = math.prod(size for size in self.target_shape if size != -1)
        if None in sizes:
            return (batch, *(None if size == -1 else size for size in self.target_shape))
        total = math.prod(size for size in sizes if size is not None)
        rest = total // fixed if fixed else 0
        if fixed * (rest if -1 in self.target_shape else 1) != total:
            raise ValueError(
                f"{self._where}: input of shape {tuple(input_shape)} has {total} numbers in each sample, which "
                f"do not fit target_shape {self.target_shape}."
            )
        return (batch, *(rest if size == -1 else size for size in self.target_shape))

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["shape"] = x.shape
        shape: Any = self.compute_output_shape(x.shape)
        return x.reshape(shape)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        return None if dy is None else dy.reshape(call.saved["shape"])


def _dims(value: Any, where: str, name: str) -> tuple[int, ...]:
    axes = checks.listed(value, where, name)
    if not all(isinstance(axis, checks.INTEGERS) for axis in axes) or sorted(axes) != list(range(1, len(axes) + 1)):
        raise ValueError(
            f"{where}: Invalid permutation argument `{name}`: {name} must hold each of 1, 2, ... once, got {value!r}."
        )
    return axes


@registered("keras.layers")
class Permute(Reshaping):
    """Axes in another order.

    Parameters
    ----------
    dims : sequence of int
        For each axis of the output but the batch the axis of the input, counted from 1.
    """

    dims: tuple[int, ...] = options.option(_dims)

    def __init__(self, dims: Sequence[int], **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != len(self.dims) + 1:
            raise ValueError(
                f"{self._where}: expected input with {len(self.dims) + 1} axes for dims {self.dims}, "
                f"got shape {tuple(input_shape)}."
            )
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        self.compute_output_shape(x.shape)
        return self._transposed(call, "y", x, (0, *self.dims))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        return None if dy is None else self._transposed(call, "dx", dy, np.argsort((0, *self.dims)).tolist())


@registered("keras.layers")
class RepeatVector(Reshaping):
    """The same vector at each of `n` steps: (B, F) becomes (B, n, F).

    Parameters
    ----------
    n : int
    """

    n: int = options.size()

    def __init__(self, n: int, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            raise ValueError(f"{self._where}: expected input of shape (batch, features), got {tuple(input_shape)}.")
        return (input_shape[0], self.n, input_shape[1])

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        shape: Any = self.compute_output_shape(x.shape)
        y = call.buffer("y", shape, self.dtype)
        y[...] = x[:, None]
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        if dy is None:
            return None
        dx = call.buffer("dx", (len(dy), dy.shape[2]), self.dtype)
        np.sum(dy, axis=1, out=dx)
        return dx
