"""A step of the LSTM that ONNX has and Keras has not: with peepholes, coupled gates, another activation at the output.

Gers and Schmidhuber 2000; the equations are those of https://onnx.ai/onnx/operators/onnx__LSTM.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastgru import activations, ops
from fastgru.layers.layer import Layer
from fastgru.object_registration import register_keras_serializable

__all__ = ["PeepholeLSTMCell"]


@register_keras_serializable("fastgru")
class PeepholeLSTMCell(Layer):
    """One step of an LSTM whose gates see the cells.

    ::

        i  = f(x Wi + h Ui + bi + pi * c)
        f  = f(x Wf + h Uf + bf + pf * c)        coupled: 1 - i
        c' = f * c + i * g(x Wc + h Uc + bc)
        o  = f(x Wo + h Uo + bo + po * c')
        h' = o * a(c')

    Parameters
    ----------
    units : int
    names : list of str
        The activations f, g and a above.
    coupled : bool
        Whether what is not taken in is kept.
    """

    def __init__(
        self,
        units: int,
        names: Sequence[str] = ("sigmoid", "tanh", "tanh"),
        coupled: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.coupled = units, coupled
        self.names = list(names)
        self.functions = [activations.get(name) for name in self.names]
        self.state_size = [units, units]

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], 4 * self.units), name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, 4 * self.units), name="recurrent_kernel")
        self.bias = self.add_weight((4 * self.units,), "zeros", name="bias")
        self.peepholes = self.add_weight((3, self.units), "zeros", name="peepholes")
        self.built = True

    def call(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        h, c = states
        sums = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel) + self.bias
        i, f, g, o = ops.split(sums, 4, axis=-1)
        gate, inner, outer = self.functions
        i = gate(i + self.peepholes[0] * c)
        f = 1 - i if self.coupled else gate(f + self.peepholes[1] * c)
        c = f * c + i * inner(g)
        h = gate(o + self.peepholes[2] * c) * outer(c)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "names": self.names, "coupled": self.coupled}
