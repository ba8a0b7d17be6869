"""The GRU layer (Cho et al. 2014, arXiv:1406.1078; the `reset_after` form is cuDNN's and Keras's default)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru import kernels
from fastgru.activations import Activation
from fastgru.layers import options
from fastgru.layers.options import ActivationLike, ConstraintLike, InitializerLike, PlainOptions, RegularizerLike
from fastgru.layers.rnn.numpy_route import Twin
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.recurrent_weights import cudnn, implementation
from fastgru.layers.rnn.run import DropoutMasks
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GRU"]


@registered("keras.layers")
class GRU(Recurrent):
    """Gated recurrent unit over sequences (B, T, F).

    ::

        z  = f(x Wz + bz + h Uz + cz)            update gate
        r  = f(x Wr + br + h Ur + cr)            reset gate
        g  = a(x Wh + bh + r * (h Uh + ch))      candidate; reset_after=False: a(x Wh + bh + (r * h) Uh)
        h' = z * h + (1 - z) * g

    Parameters
    ----------
    units : int
        Size H of the state.
    activation, recurrent_activation : str, callable or None
        a and f above; None is linear.
    use_bias : bool
    kernel_initializer, recurrent_initializer, bias_initializer : str, dict or Initializer
        For `kernel` (F, 3H), `recurrent_kernel` (H, 3H), `bias` ((2, 3H) with `reset_after`, else (3H,)), gates z r h.
    kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer : optional
    kernel_constraint, recurrent_constraint, bias_constraint : optional
    dropout, recurrent_dropout : float
        Rates for the inputs and the state of the gates in training, clamped to [0, 1]. One mask per call serves all
        time steps; with `recurrent_dropout` each gate has masks of its own (Keras's implementation 1).
    seed : int, optional
        For the dropout masks.
    return_sequences : bool
        Return the state after every step (B, T, H) instead of the last one (B, H).
    return_state : bool
        Return ``[output, state]``.
    go_backwards : bool
        Process the sequence from its end; outputs stay in the processed order, as in Keras.
    stateful : bool
        Start each batch from the state the last one ended with; the batch size is then fixed. See `reset_states`.
    reset_after : bool
        Which candidate, see above.
    zero_output_for_mask : bool
        Masked steps put out zeros instead of the last state.
    unroll : bool
    use_cudnn : {"auto", False}
    implementation : {0, 1, 2}
        Accepted for Keras's sake and without effect.

    Notes
    -----
    A masked step leaves the state as it was and puts it out again; where the first step is masked that is the initial
    state, as in Keras on JAX and numpy. Keras on TensorFlow puts out zeros there, and so does a layer from its files.
    """

    gate_count = 3
    gate_names = ("update", "reset", "candidate", "state")
    activation_gates = (2,)
    recurrent_activation_gates = (0, 1)
    cell_name, cell_class = "gru_cell", "GRUCell"
    _kernels = ("GRUCall", "gru_forward", "gru_backward")
    _no_states = (None,)

    recurrent_activation: Activation = options.activation()
    reset_after: bool = options.flag()
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
        reset_after: bool = True,
        use_cudnn: bool | str = "auto",
        zero_output_for_mask: bool = False,
        implementation: int = 2,
        **kwargs: Unpack[PlainOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _bias_rows(self, bias: Array) -> Array:
        return bias if self.reset_after else bias[None]

    def _pack_size(self) -> int:
        return kernels.module(self.dtype).gru_pack_size(self.kernel.shape[0], self.units, self.reset_after)

    def _pack(self, packed: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None) -> None:
        rows = None if bias is None else self._bias_rows(bias)
        kernels.module(self.dtype).gru_pack(kernel, recurrent_kernel, rows, self.reset_after, packed)

    def _memory_size(self, shape: tuple[int, int, int], packed: bool, differentiate: bool) -> int:
        return kernels.module(self.dtype).gru_memory(*shape, self.units, self.reset_after, packed, differentiate)

    def _kernel_options(self) -> dict[str, Any]:
        return {**super()._kernel_options(), "reset_after": self.reset_after}

    @property
    def _twin(self) -> Twin:
        from fastgru.kernels.reference import gru as reference

        return Twin(reference.GRUOptions, reference.gru_forward, reference.gru_backward, reference.gru_gates)

    def _twin_options(self, dropout: DropoutMasks) -> dict[str, Any]:
        return {**super()._twin_options(dropout), "reset_after": self.reset_after}
