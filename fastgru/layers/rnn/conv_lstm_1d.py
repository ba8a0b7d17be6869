"""ConvLSTM1D (Shi et al. 2015), without the peepholes of the paper, as in Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks, tree
from fastgru.activations import Activation
from fastgru.autodiff.tensor import tensor
from fastgru.layers import options
from fastgru.layers.context import context
from fastgru.layers.convolutional.windows import Windows, padding, per_axis
from fastgru.layers.options import ActivationLike, ConstraintLike, InitializerLike, PlainOptions, RegularizerLike, Sizes
from fastgru.layers.regularization.dropout import keep_mask
from fastgru.layers.rnn.own_cells import run_cells
from fastgru.layers.rnn.recurrent_weights import CellWeights, forget_gate_first
from fastgru.ops import linear, shaping
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["ConvLSTM1D"]

_GATES = 4


@registered("keras.layers")
class ConvLSTM1D(CellWeights):
    """An LSTM whose products are convolutions along a spatial axis, over sequences (B, T, S, C).

    ::

        i  = f(conv(x, Wi) + conv(h, Ui) + bi)   input gate
        r  = f(conv(x, Wf) + conv(h, Uf) + bf)   forget gate
        g  = a(conv(x, Wc) + conv(h, Uc) + bc)   candidate
        o  = f(conv(x, Wo) + conv(h, Uo) + bo)   output gate
        c' = r * c + i * g
        h' = o * a(c')

    Parameters
    ----------
    filters : int
        Channels of the two states h and c (B, S', filters).
    kernel_size, strides, dilation_rate : int or tuple of one int
        Of the convolution of the inputs; strides and dilation_rate cannot both exceed 1. That of the state has the
        kernel's size, steps of 1, and as many cells as the state.
    padding : {"valid", "same"}
        Of the convolution of the inputs.
    data_format : {"channels_last", "channels_first"}, optional
        "channels_first" is (B, T, C, S), and (B, filters, S') of the states.
    activation, recurrent_activation : str, callable or None
        a and f above.
    kernel_initializer, recurrent_initializer, bias_initializer : str, dict or Initializer
        For `kernel` (size, C, 4 filters), `recurrent_kernel` (size, filters, 4 filters), `bias` (4 filters,).

    Notes
    -----
    All other parameters are those of `LSTM`. Each gate has dropout masks of its own, drawn once for a sequence. It is
    written with ops and runs in Python, with one convolution for the inputs of all steps.
    """

    rank = 1
    input_rank = 4
    paddings = ("valid", "same")
    cell_name = "conv_lstm_cell"

    filters: int = options.option(checks.integer_from_one)
    kernel_size: tuple[int, ...] = per_axis()
    strides: tuple[int, ...] = per_axis()
    padding: str = padding()
    data_format: str = options.data_format()
    dilation_rate: tuple[int, ...] = per_axis()
    recurrent_activation: Activation = options.activation()
    unit_forget_bias: bool = options.flag()
    seed: int | None = options.seed()

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
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
        zero_output_for_mask: bool = False,
        **kwargs: Unpack[PlainOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        self.supports_masking = True
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self._where}: Specifying `strides > 1` is not compatible with `dilation_rate > 1`, got "
                f"{self.strides} and {self.dilation_rate}."
            )
        self._of_inputs = Windows(self.kernel_size, self.strides, self.dilation_rate, self.padding)
        self._of_state = Windows(self.kernel_size, (1,), (1,), "same")

    def _sizes(self, shape: Shape) -> tuple[int | None, int | None]:
        """Cells and channels of an input."""
        if len(shape) != 4:
            order = "channels, size" if self.data_format == "channels_first" else "size, channels"
            raise ValueError(f"{self._where}: expected input of shape (batch, timesteps, {order}), got {tuple(shape)}.")
        return (shape[3], shape[2]) if self.data_format == "channels_first" else (shape[2], shape[3])

    def build(self, input_shape: Shape) -> None:
        size, channels = self._sizes(input_shape)
        if size is None or channels is None:
            raise ValueError(
                f"{self._where}: size and channels must be known to build it, got {tuple(input_shape)}: ConvLSTM "
                "layers only support static input shapes for the spatial dimension."
            )
        self._check_batch(input_shape)
        width = _GATES * self.filters
        initializer = self.bias_initializer
        if self.unit_forget_bias:
            initializer = forget_gate_first(initializer, self.filters)
        shapes = (*self.kernel_size, channels, width), (*self.kernel_size, self.filters, width), (width,)
        self._add_weights(*shapes, initializer)
        self._built_for, self._cells = (size, channels), self._windows(input_shape)
        self._begin(input_shape[0])
        self.built = True

    def _windows(self, shape: Shape) -> int | None:
        """Cells of the states for inputs of a shape."""
        (cells,) = self._of_inputs.count(self._sizes(shape)[:1])
        if cells is not None and cells < 1:
            raise ValueError(
                f"{self._where}: a window covers {self._of_inputs.spans[0]} cells, more than the input of shape "
                f"{tuple(shape)} has; use padding='same' or longer input."
            )
        return cells

    def _state_shape(self, batch: int | None, cells: int | None) -> Any:
        return (batch, self.filters, cells) if self.data_format == "channels_first" else (batch, cells, self.filters)

    def compute_output_shape(self, input_shape: Shape) -> Any:
        batch, steps = input_shape[:2]
        state = self._state_shape(batch, self._windows(input_shape))
        output = (batch, steps, *state[1:]) if self.return_sequences else state
        return (output, state, state) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:  # type: ignore[override]  # as in Keras
        return tree.flatten(mask)[0] if self.return_sequences else None

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states, zeros, that a sequence begins with where none are handed over."""
        return [tensor(np.zeros(self._state_shape(batch_size, self._cells), self.dtype)) for _ in range(2)]

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        if self._sizes(sequences.shape) != self._built_for or not sequences.shape[1]:
            raise ValueError(
                f"{self._where}: expected sequences of {self._built_for[0]} cells with {self._built_for[1]} channels, "
                f"got shape {tuple(sequences.shape)}."
            )
        if initial_state is None:
            states = list(self._stored(context)) or self.get_initial_state(len(sequences))
            self._check_rows(sequences, states)
        else:
            states = list(initial_state)
        x = self._moved(sequences)
        on_x, on_h = (
            [keep_mask(self._generator, (len(x), 1, *one.shape[-2:]), rate, self.dtype) for _ in range(_GATES)]
            if training and rate
            else None
            for one, rate in ((x, self.dropout), (self._moved(states[0]), self.recurrent_dropout))
        )
        gates = _convolved(x, self.kernel, self._of_inputs, on_x)
        if self.bias is not None:
            gates = gates + self.bias
        flags = training, self.go_backwards, self.zero_output_for_mask
        states = [self._moved(state) for state in states]
        outputs, last, states = run_cells([_Step(self, on_h)], gates, states, mask, *flags)
        states = [self._moved(state) for state in states]
        if self.stateful:
            self._store(context, [np.array(state) for state in states])
        output = self._moved(shaping.stack(outputs, axis=1) if self.return_sequences else last)
        return (output, *states) if self.return_state else output

    def _moved(self, x: Any) -> Any:
        """With the channels last where they come first, and back."""
        return shaping.swapaxes(x, -1, -2) if self.data_format == "channels_first" else x


class _Step:
    """One step: what the convolution of the inputs gave for all gates, and the states, to the next states."""

    def __init__(self, layer: ConvLSTM1D, dropout: list[Array] | None) -> None:
        self.layer, self.dropout = layer, dropout

    def call(self, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        h, c = states
        layer = self.layer
        of_h = _convolved(shaping.expand_dims(h, 1), layer.recurrent_kernel, layer._of_state, self.dropout)
        i, r, g, o = shaping.split(x + shaping.squeeze(of_h, 1), _GATES, axis=-1)
        gate, activation = layer.recurrent_activation, layer.activation
        c = gate(r) * c + gate(i) * activation(g)
        h = gate(o) * activation(c)
        return h, [h, c]


def _convolved(x: Any, kernel: Any, windows: Windows, dropout: list[Array] | None) -> Any:
    """(B, T, S, C) along S with a kernel (size, C, F); with dropout each gate's part of the filters has its mask."""
    if dropout is not None:
        parts = zip(dropout, shaping.split(kernel, len(dropout), axis=-1), strict=True)
        return shaping.concatenate([_convolved(x * mask, part, windows, None) for mask, part in parts], axis=-1)
    (margin,) = windows.margins((x.shape[2],))
    (count,) = windows.count((x.shape[2],))
    assert count is not None
    x = shaping.pad(x, ((0, 0), (0, 0), margin, (0, 0)))
    (size,), (stride,), (dilation,) = windows.size, windows.strides, windows.dilation
    starts = range(0, size * dilation, dilation)
    cells = [x[:, :, start : start + (count - 1) * stride + 1 : stride] for start in starts]
    return linear.matmul(shaping.concatenate(cells, axis=-1), shaping.reshape(kernel, (-1, kernel.shape[-1])))
