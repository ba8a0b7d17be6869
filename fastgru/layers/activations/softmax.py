"""Softmax as a layer, which knows masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import activations
from fastgru.checks import real_numbers
from fastgru.layers import options
from fastgru.layers.activations.activation import ActivationLayer
from fastgru.layers.options import LayerOptions
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Softmax"]

_MASKED = -1e9  # what Keras puts in place of a masked number before softmax


@registered("keras.layers")
class Softmax(ActivationLayer):
    """Shares that add up to 1 along an axis; what the input's mask leaves out gets none.

    Parameters
    ----------
    axis : int or list of int
        A mask, as in Keras, is broadcast to the input from the last axis on.
    """

    activation = activations.softmax

    axis: int | list[int] = options.axes()

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def options(self) -> dict[str, Any]:
        if self.axis in (-1, [-1]):
            return {}
        return {"axis": self.axis if isinstance(self.axis, int) else tuple(self.axis)}

    def as_mask(self, mask: npt.ArrayLike, x: Array) -> Array:
        return np.ascontiguousarray(real_numbers(mask, f"Layer {self.name!r}, mask"), dtype=bool)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        mask = call.mask
        if mask is None:
            return super().forward(call, x)
        ends = zip(mask.shape[::-1], x.shape[::-1], strict=False)
        if mask.ndim > x.ndim or any(size not in (1, of_x) for size, of_x in ends):
            raise ValueError(
                f"{self._where}: expected a mask that can be broadcast to the input's shape {x.shape}, "
                f"got {mask.shape}; a mask must not have more dimensions, and be broadcastable."
            )
        y = super().forward(call, np.where(mask, x, x.dtype.type(_MASKED)))
        # where the mask leaves out a whole axis, softmax has made equal shares of nothing
        np.copyto(y, 0, where=~mask)
        return y
