"""An activation as a layer of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import activations, kernels
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import ActivationLike, LayerOptions
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Activation", "ActivationLayer", "activate", "derive"]


def activate(activation: activations.Activation, y: Array) -> None:
    """Apply, in place, an activation that the compiled kernels know (softmax: to the last axis)."""
    assert activation.kernel_id is not None
    kernels.module(y.dtype).apply_activation(activation.kernel_id, y.reshape(-1, y.shape[-1]))


def derive(activation: activations.Activation, y: Array, d: Array) -> None:
    """Turn, in place, the gradient of an activation's output `y` into that of its input."""
    assert activation.kernel_id is not None
    columns = y.shape[-1]
    kernels.module(y.dtype).apply_derivative(activation.kernel_id, y.reshape(-1, columns), d.reshape(-1, columns))


class ActivationLayer(Layer):
    """What layers that apply an activation share, with options for it or without.

    The compiled kernels know activations without options only, and softmax on the last axis only.
    """

    activation: activations.Activation

    def options(self) -> dict[str, Any]:
        """The arguments of the activation that are not its own defaults."""
        return {}

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        options = self.options()
        if options or self.activation.kernel_id is None:
            y = self.activation(x, **options)
        else:
            y = call.buffer("y", x.shape, self.dtype)
            np.copyto(y, x)
            activate(self.activation, y)
        call.saved["x"], call.saved["y"] = x, y
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        x, y = call.saved["x"], call.saved["y"]
        options = self.options()
        if options or self.activation.kernel_id is None:
            return np.asarray(self.activation.backward(dy, y, x, **options), dtype=self.dtype)
        dx = call.buffer("dx", dy.shape, self.dtype)
        np.copyto(dx, dy)
        derive(self.activation, y, dx)
        return dx


@registered("keras.layers")
class Activation(ActivationLayer):
    """Apply an activation to every number of the input (softmax: to the last axis).

    Parameters
    ----------
    activation : str or callable
    """

    activation: activations.Activation = options.activation()

    def __init__(self, activation: ActivationLike, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
