"""The SimpleRNN layer (Elman 1990)."""

from __future__ import annotations

from typing import Any

from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.registry import registered


@registered("keras.layers")
class SimpleRNN(Recurrent):
    """Fully connected recurrent layer over sequences (B, T, F): ``h' = a(x W + h U + b)``.

    Parameters
    ----------
    units : int
        Size H of the state.
    activation : str, callable or None
        a above; None is linear.
    kernel_initializer, recurrent_initializer, bias_initializer : str, dict or Initializer
        For `kernel` (F, H), `recurrent_kernel` (H, H), `bias` (H,).

    Notes
    -----
    All other parameters, and what masked steps do, are those of `GRU`. As in Keras the config does not keep `seed`.
    """

    gates = 1
    activation_gates = (0,)
    cell_name = "simple_rnn_cell"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units=units,
            activation=activation,
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
