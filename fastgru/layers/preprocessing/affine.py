"""Layers that scale and shift their input by numbers that no training changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.layers.layer import Layer
from fastgru.layers.workspace import Call
from fastgru.types import Array

__all__ = ["Affine"]


class Affine(Layer):
    """y = x * scale + offset, with numbers that no training changes."""

    def _scale_and_offset(self, call: Call) -> tuple[Any, Any]:
        raise NotImplementedError

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        scale, offset = self._scale_and_offset(call)
        return np.asarray(x * scale + offset, self.dtype)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        return np.asarray(dy * self._scale_and_offset(call)[0], self.dtype)
