"""An activation as a layer of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import activations, kernels
from fastgru.layers.layer import Array, Call, Layer
from fastgru.registry import registered


@registered("keras.layers")
class Activation(Layer):
    """Apply an activation to every number of the input (softmax: to the last axis).

    Parameters
    ----------
    activation : str or callable
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        if self.activation.kernel_id is None:
            y = self.activation(x)
        else:
            y = call.buffer("y", x.shape, self.dtype)
            np.copyto(y, x)
            kernels.module(self.dtype).apply_activation(self.activation.kernel_id, y.reshape(-1, x.shape[-1]))
        call.saved["x"], call.saved["y"] = x, y
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        x, y = call.saved["x"], call.saved["y"]
        if self.activation.kernel_id is None:
            dx: Array = self.activation.backward(dy, y, x)
            return dx
        dx = call.buffer("dx", dy.shape, self.dtype)
        np.copyto(dx, dy)
        columns = dx.shape[-1]
        kernels.module(self.dtype).apply_derivative(
            self.activation.kernel_id, y.reshape(-1, columns), dx.reshape(-1, columns)
        )
        return dx

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}
