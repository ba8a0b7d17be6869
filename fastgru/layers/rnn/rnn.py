"""A recurrent layer made of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru.layers.core.wrapper import SequenceWrapper
from fastgru.layers.options import LayerOptions
from fastgru.layers.rnn.cells import Cell, StackedRNNCells, StepLayer, backward_in_row, forward_in_row
from fastgru.layers.rnn.sequence_layer import SequenceLayer
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RNN"]


@registered("keras.layers")
class RNN(SequenceLayer, SequenceWrapper):
    """Run a cell, or a stack of cells, over sequences (B, T, F).

    No state of a cell depends on the cells above it, so the cells run one after the other over the whole sequence, each
    with the kernels of the layer it is a step of.

    Parameters
    ----------
    cell : GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells or a list of cells
    return_sequences : bool
        Return the last cell's output after every step (B, T, H) instead of the last one (B, H).
    return_state : bool
        Return ``[output, state, ...]``, the states of all cells in a row.
    go_backwards : bool
        Process the sequence from its end; outputs stay in the processed order, as in Keras.
    stateful : bool
        Start each batch from the states the last one ended with; the batch size is then fixed. See `reset_states`.
    unroll : bool
        Accepted for Keras's sake and without effect.
    zero_output_for_mask : bool
        Masked steps put out zeros instead of the last cell's state.
    """

    inner = ("cell",)

    def __init__(
        self,
        cell: StepLayer | Sequence[Cell],
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.cell: Any = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        if not isinstance(self.cell, StepLayer):
            raise ValueError(
                f"{self._where}: expected a cell of fastgru or a list of them, got {cell!r}; "
                "cells of one's own are not supported."
            )
        self._settle_dtype(kwargs.get("dtype"))
        self._set_options(locals())

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 3 or input_shape[2] is None:
            raise ValueError(
                f"{self._where}: expected input of shape (batch, timesteps, features) with a known number of "
                f"features, got {tuple(input_shape)}."
            )
        self._check_batch(input_shape)
        self._build_inner(self.cell, (input_shape[0], input_shape[2]))
        self._store_zeros(input_shape[0], self.cell.state_sizes)
        self.built = True

    def compute_output_shape(self, input_shape: Shape) -> Any:
        batch, steps, _ = input_shape
        last, *states = self.cell.compute_output_shape((batch, None))
        output = (batch, steps, self.cell.output_size) if self.return_sequences else last
        return (output, *states) if self.return_state else output

    def check_inputs(self, *inputs: Array) -> None:
        x, states = inputs[0], [state.shape for state in inputs[1:]]
        features = self.cell.cells[0].kernel.shape[0]
        if x.ndim != 3 or x.shape[2] != features or x.size == 0:
            raise ValueError(f"{self._where}: expected input of shape (batch, timesteps, {features}), got {x.shape}.")
        expected = [(len(x), size) for size in self.cell.state_sizes]
        if states and states != expected:
            raise ValueError(f"{self._where}: expected initial states of shapes {expected}, got {states}.")
        self._check_rows(x)

    def forward(self, call: Call, *inputs: Array) -> Any:
        layers = call.saved["layers"] = self._layers()
        for index in range(len(layers)):
            call.child(index).mask = call.mask
        if self.go_backwards and call.mask is not None:  # the first layer alone reads the steps in their order
            reversed_mask = np.ascontiguousarray(call.mask[:, ::-1])
            for index in range(1, len(layers)):
                call.child(index).mask = reversed_mask
        call.saved["returns"] = len(inputs)
        output, *states = forward_in_row(call, self.cell.cells, layers, inputs[0], inputs[1:] or self.states or ())
        if self.states is not None:
            # copies: what the layers read as initial states stays as it was for the backward pass
            self.states = [state.copy() for state in states]
        return (output, *states) if self.return_state else output

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        d_inputs = backward_in_row(call, self.cell.cells, call.saved["layers"], *d_outputs)
        count = call.saved["returns"]
        return d_inputs[:count] if count > 1 else d_inputs[0]

    def _layers(self) -> list[Any]:
        """The layers that run the cells over sequences."""
        last = len(self.cell.cells) - 1
        return [
            cell.over_sequences(
                return_sequences=index < last or self.return_sequences,
                go_backwards=index == 0 and self.go_backwards,
                zero_output_for_mask=index == last and self.zero_output_for_mask,
                zero_until_used=index == last and self.zero_until_used,
            )
            for index, cell in enumerate(self.cell.cells)
        ]
