"""A layer that passes its input on as it is."""

from __future__ import annotations

from fastgru.layers.layer import Layer
from fastgru.layers.workspace import Call
from fastgru.moved import attributes
from fastgru.registry import registered
from fastgru.types import Array

__all__ = ["Identity"]


@registered("keras.layers")
class Identity(Layer):
    """The input itself."""

    def forward(self, call: Call, *inputs: Array) -> Array:
        return inputs[0]

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        return d_outputs[0]


__getattr__ = attributes(__name__)
