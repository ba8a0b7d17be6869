"""The SimpleRNN layer (Elman 1990)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastgru.layers import options
from fastgru.layers.options import ActivationLike, ConstraintLike, InitializerLike, PlainOptions, RegularizerLike
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.registry import registered

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["SimpleRNN"]


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

    gate_count = 1
    gate_names = ("state",)
    activation_gates = (0,)
    cell_name, cell_class = "simple_rnn_cell", "SimpleRNNCell"

    seed: int | None = options.seed(in_config=False)

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        recurrent_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        zero_output_for_mask: bool = False,
        **kwargs: Unpack[PlainOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
