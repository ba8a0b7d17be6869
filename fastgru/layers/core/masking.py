"""The Masking layer: steps that hold one value only do not count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Masking"]


def _mask_value(value: Any, where: str, name: str) -> Any:
    """A number, which Keras writes as ``{"class_name": ..., "config": {"value": ...}}`` where it is one of numpy's."""
    if isinstance(value, Mapping):
        value = np.asarray(value.get("config", {}).get("value")).item()
    checks.number(value, where, name)
    return value.item() if isinstance(value, np.number) else value


@registered("keras.layers")
class Masking(Layer):
    """Mask the steps whose features (the last axis) all equal `mask_value`, and set them to zero.

    Parameters
    ----------
    mask_value : float
    """

    mask_value: float = options.option(_mask_value)

    def __init__(self, mask_value: Any = 0.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["counts"] = self.outgoing_mask(call, x)
        return self._unmasked(call, "y", x)

    def _unmasked(self, call: Call, name: str, array: Array) -> Array:
        unmasked = call.buffer(name, array.shape, self.dtype)
        unmasked[...] = 0
        np.copyto(unmasked, array, where=call.saved["counts"][..., None])
        return unmasked

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        return None if dy is None else self._unmasked(call, "dx", dy)

    def outgoing_mask(self, call: Call, *inputs: Array) -> Array:
        # a number as the inputs hold it: 0.1 in float32 equals no 0.1 in float64
        counts: Array = (inputs[0] != inputs[0].dtype.type(self.mask_value)).any(axis=-1)
        return counts
