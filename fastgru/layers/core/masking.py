"""The Masking layer: steps that hold one value only do not count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastgru.layers.layer import Array, Call, Layer
from fastgru.registry import registered


@registered("keras.layers")
class Masking(Layer):
    """Mask the steps whose features (the last axis) all equal `mask_value`, and set them to zero.

    Parameters
    ----------
    mask_value : float
    """

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(mask_value, Mapping):  # Keras writes a numpy number as {"class_name": ..., "config": {"value"}}
            mask_value = np.asarray(mask_value.get("config", {}).get("value")).item()
        if isinstance(mask_value, bool) or not isinstance(mask_value, (int, float, np.number)):
            raise ValueError(f"Masking {self.name!r}: mask_value must be a number, got {mask_value!r}.")
        self.mask_value = mask_value.item() if isinstance(mask_value, np.number) else mask_value

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        # a number as the inputs hold it: 0.1 in float32 equals no 0.1 in float64
        counts = (x != x.dtype.type(self.mask_value)).any(axis=-1)
        call.saved["counts"] = counts
        return self._kept(call, "y", x)

    def _kept(self, call: Call, name: str, array: Array) -> Array:
        kept = call.buffer(name, array.shape, self.dtype)
        kept[...] = 0
        np.copyto(kept, array, where=call.saved["counts"][..., None])
        return kept

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        return None if dy is None else self._kept(call, "dx", dy)

    def compute_mask(self, call: Call, *inputs: Array) -> Array:
        counts: Array = call.saved["counts"]
        return counts

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}
