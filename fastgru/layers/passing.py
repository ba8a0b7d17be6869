"""Layers that pass their input on as it is."""

from __future__ import annotations

from typing import Any

from fastgru.layers.layer import Layer
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.regularizers import L1L2
from fastgru.types import Array


@registered("keras.layers")
class Identity(Layer):
    """The input itself."""

    def forward(self, call: Call, *inputs: Array) -> Array:
        return inputs[0]

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        return d_outputs[0]


@registered("keras.layers")
class ActivityRegularization(Identity):
    """The input itself, whose size is added to the loss.

    Parameters
    ----------
    l1, l2 : float
        Factors of the sum of the absolute values and of the squares.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "l1": self.l1, "l2": self.l2}
        del config["activity_regularizer"]
        return config
