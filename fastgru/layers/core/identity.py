"""A layer that passes its input on as it is."""

from __future__ import annotations

from fastgru.layers.layer import Array, Call, Layer
from fastgru.registry import registered


@registered("keras.layers")
class Identity(Layer):
    """The input itself."""

    def forward(self, call: Call, *inputs: Array) -> Array:
        return inputs[0]

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        return d_outputs[0]
