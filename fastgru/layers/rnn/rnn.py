"""A recurrent layer made of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import tree
from fastgru.layers.context import context
from fastgru.layers.core.wrapper import SequenceWrapper
from fastgru.layers.gated import Gated
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.rnn.cells import Cell, StackedRNNCells, StepLayer, backward_in_row, by_cell, forward_in_row
from fastgru.layers.rnn.own_cells import initial_state, output_size, run_cells
from fastgru.layers.rnn.sequence_layer import SequenceLayer
from fastgru.layers.symbolic import is_symbolic
from fastgru.layers.workspace import Call
from fastgru.ops import shaping
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RNN", "OwnCellRNN"]


@registered("keras.layers")
class RNN(SequenceLayer, SequenceWrapper):
    """Run a cell, or a stack of cells, over sequences (B, T, F).

    No state of a cell depends on the cells above it, so the cells run one after the other over the whole sequence, each
    with the kernels of the layer it is a step of.

    Parameters
    ----------
    cell : GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells, a cell of one's own, or a list of cells
        See `OwnCellRNN` for what a cell of one's own has.
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
        cells = cell if isinstance(cell, (list, tuple)) else [cell]
        if not all(isinstance(one, StepLayer) for one in cells):
            own: Any = self
            own.__class__ = OwnCellRNN  # which runs in Python
            flags = return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask
            own.__init__(cell, *flags, **kwargs)
            return
        super().__init__(**kwargs)
        self.cell: Any = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        self._settle_dtype(kwargs.get("dtype"))
        self._set_options(locals())

    def __call__(  # type: ignore[override]  # the order of arguments is Keras's
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None
    ) -> Any:
        """As of every recurrent layer; with `return_state` the states of several cells are nested as Keras nests them.

        Eagerly there is a list for each cell; in a graph the state of a cell that has one stands alone.
        """
        outputs = super().__call__(sequences, initial_state, mask, training)
        if not self.return_state or len(getattr(self.cell, "cells", ())) < 2:
            return outputs
        symbolic = is_symbolic(outputs)
        output, *new = outputs
        nested = [list(one) for one in by_cell(self.cell.cells, new)]
        return [output, *(one[0] if symbolic and len(one) == 1 else one for one in nested)]

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states, of several cells an entry for each."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states at the start, zeros (B, H), of several cells a list for each."""
        states: list[Any] = self.cell.get_initial_state(batch_size)
        return states

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 3 or input_shape[2] is None:
            raise ValueError(
                f"{self._where}: expected input of shape (batch, timesteps, features) with a known number of "
                f"features, got {tuple(input_shape)}."
            )
        self._check_batch(input_shape)
        self._build_inner(self.cell, (input_shape[0], input_shape[2]))
        self._begin(input_shape[0], lambda batch: tree.flatten(self.get_initial_state(batch)))
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
        output, *states = forward_in_row(call, self.cell.cells, layers, inputs[0], inputs[1:] or self._stored(call))
        if self.stateful:
            self._store(call, [state.copy() for state in states])
        return (output, *states) if self.return_state else output

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        d_inputs = backward_in_row(call, self.cell.cells, call.saved["layers"], *d_outputs)
        count = call.saved["returns"]
        return d_inputs[:count] if count > 1 else d_inputs[0]

    def gates_left(self, call: Call) -> Any:
        by_cell = [layer.gates_left(call.child(index)) for index, layer in enumerate(call.saved["layers"])]
        if self.go_backwards:  # the first layer alone reads the steps in their order
            for gates in by_cell[1:]:
                gates.update({name: values[:, ::-1] for name, values in gates.items()})
        names = [cell.name for cell in self.cell.cells]
        return by_cell[0] if len(names) == 1 else dict(zip(names, by_cell, strict=True))

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


class OwnCellRNN(RNN):
    """`RNN` for a cell of one's own, or a list of cells among which one is.

    A cell has `state_size`, one size or a list of them, and ``call(inputs, states)``, which may take ``training`` and
    returns its output (B, H) and the new states. It may have ``get_initial_state(batch_size)`` and ``output_size``.
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        SequenceWrapper.__init__(self, **kwargs)
        self.cell = cell
        self._cells = list(cell) if isinstance(cell, (list, tuple)) else [cell]
        for one in self._cells:
            if not callable(getattr(one, "call", None)) or not hasattr(one, "state_size"):
                raise ValueError(f"{self._where}: expected a cell, or cells, with call and state_size, got {one!r}.")
        self._set_options(locals())
        self.supports_masking = True

    @property
    def sublayers(self) -> list[Layer]:
        return [cell for cell in self._cells if isinstance(cell, Layer)]

    def inner_items(self) -> list[tuple[str, Any]]:
        return [("cell", self.cell if isinstance(self.cell, list) else self._cells[0])]

    def serialized(self, input_shape: Any = None) -> dict[str, Any]:
        return {**super().serialized(input_shape), "module": "keras.layers", "registered_name": None}

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states, of several cells an entry for each."""
        sizes = [cell.state_size for cell in self._cells]
        listed = sizes if len(sizes) > 1 else sizes[0]
        return list(listed) if isinstance(listed, (list, tuple)) else [listed]

    def build(self, input_shape: Shape) -> None:
        self._check_batch(input_shape)
        shape: Shape = (input_shape[0], *input_shape[2:])
        for cell in self._cells:
            if isinstance(cell, Layer) and not cell.built and cell.says_build:
                self._build_inner(cell, shape)
                cell.built = True
            shape = (shape[0], output_size(cell))
        self._begin(input_shape[0])
        self.built = True

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states at the start: those that the cells make, else zeros."""
        states = [initial_state(cell, batch_size, self.dtype) for cell in self._cells]
        return states if len(states) > 1 else states[0]

    def compute_output_shape(self, input_shape: Shape) -> Any:
        batch, steps = input_shape[:2]
        size = output_size(self._cells[-1])
        output = (batch, steps, size) if self.return_sequences else (batch, size)
        states = tree.map_structure(lambda one: (batch, one), self.state_size)
        return (output, *states) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:  # type: ignore[override]  # as in Keras
        return tree.flatten(mask)[0] if self.return_sequences else None

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        states = initial_state
        if states is None:
            states = self._stored(context) or self.get_initial_state(len(sequences))
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        options = self.go_backwards, self.zero_output_for_mask
        outputs, last, states = run_cells(self._cells, sequences, states, mask, training, *options)
        if self.stateful:
            self._store(context, tree.map_structure(np.array, states))
        output = shaping.stack(outputs, axis=1) if self.return_sequences else last
        return (output, *states) if self.return_state else output

    def gates_left(self, call: Call) -> Any:
        return Gated.gates_left(self, call)


OwnCellRNN.__name__ = "RNN"  # in names, summaries and configs
