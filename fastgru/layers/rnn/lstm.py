"""The LSTM layer (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru.activations import Activation
from fastgru.layers import options
from fastgru.layers.options import ActivationLike, ConstraintLike, InitializerLike, PlainOptions, RegularizerLike
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.recurrent_weights import cudnn, forget_gate_first, implementation
from fastgru.registry import registered

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["LSTM"]


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

    gate_count = 4
    gate_names = ("input", "forget", "candidate", "output", "cell", "state")
    recurrent_activation_gates = (0, 1, 3)  # the activation is also that of the state
    state_count = 2
    cell_name, cell_class = "lstm_cell", "LSTMCell"

    recurrent_activation: Activation = options.activation()
    unit_forget_bias: bool = options.flag()
    seed: int | None = options.seed()
    use_cudnn: bool | str = options.option(cudnn, in_config=False, before=lambda layer: "auto")
    implementation: int = options.option(implementation, in_config=False, before=lambda layer: 2)

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        recurrent_activation: ActivationLike = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: RegularizerLike = None,
        recurrent_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: bool | str = "auto",
        zero_output_for_mask: bool = False,
        implementation: int = 2,
        **kwargs: Unpack[PlainOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def _whole_bias_initializer(self) -> Any:
        initializer = self.bias_initializer
        return forget_gate_first(initializer, self.units) if self.unit_forget_bias else initializer
