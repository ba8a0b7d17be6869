"""Layers that only move numbers: Flatten, Reshape, Permute, RepeatVector. As in Keras, a mask ends here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru.layers.layer import Array, Call, Layer, Shape
from fastgru.registry import registered


class Reshaping(Layer):
    """What they share. `compute_output_shape` refuses a shape that does not fit, and `forward` asks it."""

    homogeneous = True

    def compute_mask(self, call: Call, *inputs: Array) -> None:
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

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format or "channels_last"
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                f"Flatten {self.name!r}: data_format must be 'channels_last' or 'channels_first', got {data_format!r}."
            )

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

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


@registered("keras.layers")
class Reshape(Reshaping):
    """The same numbers in another shape.

    Parameters
    ----------
    target_shape : sequence of int
        Without the batch axis; one size may be -1 and is what remains.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        whole = all(isinstance(size, (int, np.integer)) and size >= -1 for size in self.target_shape)
        if not whole or self.target_shape.count(-1) > 1:
            raise ValueError(
                f"Reshape {self.name!r}: target_shape must have sizes of at least 0 and at most one -1, "
                f"got {target_shape!r}."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sizes = input_shape
        known = math.prod(size for size in self.target_shape if size != -1)
        if None in sizes:
            return (batch, *(None if size == -1 else size for size in self.target_shape))
        total = math.prod(size for size in sizes if size is not None)
        rest = total // known if known else 0
        if known * (rest if -1 in self.target_shape else 1) != total:
            raise ValueError(
                f"Reshape {self.name!r}: input of shape {tuple(input_shape)} has {total} numbers in each sample, which "
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

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


@registered("keras.layers")
class Permute(Reshaping):
    """Axes in another order.

    Parameters
    ----------
    dims : sequence of int
        For each axis of the output but the batch the axis of the input, counted from 1.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute {self.name!r}: dims must hold each of 1, 2, ... once, got {dims!r}.")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != len(self.dims) + 1:
            raise ValueError(
                f"Permute {self.name!r}: expected input with {len(self.dims) + 1} axes for dims {self.dims}, "
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

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}


@registered("keras.layers")
class RepeatVector(Reshaping):
    """The same vector at each of `n` steps: (B, F) becomes (B, n, F).

    Parameters
    ----------
    n : int
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n <= 0:
            raise ValueError(f"RepeatVector {self.name!r}: n must be a positive integer, got {n!r}.")
        self.n = int(n)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            raise ValueError(
                f"RepeatVector {self.name!r}: expected input of shape (batch, features), got {tuple(input_shape)}."
            )
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

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}
