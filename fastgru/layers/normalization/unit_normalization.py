"""UnitNormalization: vectors of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["UnitNormalization"]


@registered("keras.layers")
class UnitNormalization(Layer):
    """Divide by the Euclidean norm along the axes.

    Parameters
    ----------
    axis : int or list of int
    """

    axis: int | list[int] = options.axes()

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        axes = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        square = np.sum(x * x, axis=axes, keepdims=True)
        call.saved["axes"] = axes
        call.saved["inverse"] = inverse = 1 / np.sqrt(np.maximum(square, np.asarray(1e-12, self.dtype)))
        call.saved["y"] = y = x * inverse
        return np.asarray(y)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        y, inverse = call.saved["y"], call.saved["inverse"]
        along = np.sum(dy * y, axis=call.saved["axes"], keepdims=True)
        return np.asarray((dy - y * along) * inverse)
