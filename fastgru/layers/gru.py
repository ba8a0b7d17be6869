"""The GRU layer (Cho et al. 2014, arXiv:1406.1078; the `reset_after` form is cuDNN's and Keras's default)."""

from __future__ import annotations

from typing import Any

from fastgru import activations, kernels
from fastgru.kernels.reference import gru as reference
from fastgru.layers.layer import Array
from fastgru.layers.recurrent import Dropped, Recurrent
from fastgru.registry import registered


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
    unroll, use_cudnn, implementation
        Accepted for Keras's sake and without effect.

    Notes
    -----
    A masked step leaves the state as it was and puts it out again; where the first step is masked that is the initial
    state, as in Keras on JAX and numpy. Keras on TensorFlow puts out zeros there, and so does a layer from its files.
    """

    gates = 3
    cell_name = "gru_cell"
    _kernels = ("gru_forward", "gru_backward")
    _absent = (None,)
    _twin = (reference.gru_forward, reference.gru_backward)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
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
        self.reset_after = self._flag("reset_after", reset_after)

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _shaped(self, bias: Array) -> Array:
        return bias if self.reset_after else bias[None]

    def _pack_size(self) -> int:
        return kernels.module(self.dtype).gru_pack_size(self.kernel.value.shape[0], self.units, self.reset_after)

    def _pack(self, packed: Array) -> None:
        kernel, recurrent_kernel = self.kernel.value, self.recurrent_kernel.value
        kernels.module(self.dtype).gru_pack(kernel, recurrent_kernel, self._bias_read(), self.reset_after, packed)

    def _memory_size(self, shape: tuple[int, int, int], packed: bool, keep: bool) -> int:
        return kernels.module(self.dtype).gru_memory(*shape, self.units, self.reset_after, packed, keep)

    def _kernel_options(self) -> tuple[Any, ...]:
        activation, recurrent_activation = self.activation.kernel_id, self.recurrent_activation.kernel_id
        return activation, recurrent_activation, self.reset_after, self.go_backwards, self.zero_output_for_mask

    def _options(self, masks: Dropped) -> reference.GRUOptions:
        return reference.GRUOptions(**self._common_options(masks), reset_after=self.reset_after)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "reset_after": self.reset_after,
            "seed": self.seed,
        }
