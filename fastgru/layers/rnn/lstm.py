"""The LSTM layer (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import activations
from fastgru.layers.layer import Array
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.registry import registered


@registered("keras.layers")
class LSTM(Recurrent):
    """Long short-term memory over sequences (B, T, F).

    ::

        i  = f(x Wi + h Ui + bi)                 input gate
        r  = f(x Wf + h Uf + bf)                 forget gate
        g  = a(x Wc + h Uc + bc)                 candidate
        o  = f(x Wo + h Uo + bo)                 output gate
        c' = r * c + i * g
        h' = o * a(c')

    Parameters
    ----------
    units : int
        Size H of the two states h and c.
    activation, recurrent_activation : str, callable or None
        a and f above; None is linear.
    kernel_initializer, recurrent_initializer, bias_initializer : str, dict or Initializer
        For `kernel` (F, 4H), `recurrent_kernel` (H, 4H), `bias` (4H,), gates i f c o.
    unit_forget_bias : bool
        The forget gate's bias begins with ones.
    return_state : bool
        Return ``[output, h, c]``.

    Notes
    -----
    All other parameters, and what masked steps do, are those of `GRU`. An `initial_state` is a list ``[h, c]``.
    """

    gates = 4
    recurrent_activation_gates = (0, 1, 3)  # the activation is also that of the state
    state_count = 2
    cell_name = "lstm_cell"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        zero_output_for_mask: bool = False,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units=units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            **kwargs,
        )
        self.unit_forget_bias = self._flag("unit_forget_bias", unit_forget_bias)

    def _first_bias(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer

        def first(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
            of_i = self.bias_initializer((self.units,), dtype=dtype)
            of_c_and_o = self.bias_initializer((2 * self.units,), dtype=dtype)
            return np.concatenate([of_i, np.ones(self.units, dtype), of_c_and_o])

        return first

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
            "seed": self.seed,
        }
