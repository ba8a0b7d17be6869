"""One recurrent layer's passes over a batch, on raw arrays: no layer, no graph, no Keras.

    cell = Cell("gru")
    weights = Weights(cell, kernel, recurrent_kernel, bias)          # of Keras's layout, never written again
    run = forward([Direction(weights)], x, training=True)
    y, last = run.outputs[0]
    gradients = run.backward([(dy, d_last)])

All arrays are float32 or float64, of one dtype, which the kernels' results have as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fastgru import config, kernels, threads
from fastgru.bridges.memory import Workspace
from fastgru.layers.workspace import aligned_empty
from fastgru.types import Array

__all__ = ["GATES", "Cell", "Direction", "Gradients", "Pass", "Weights", "forward"]

#: by a cell's kind
GATES = {"gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Cell:
    """Which equations, in Keras's words.

    Attributes
    ----------
    kind : {"gru", "lstm"}
    activation, recurrent_activation : str
        Names of activations that the kernels compute.
    reset_after : bool
        Of a GRU.
    zero_output_for_mask : bool
        Whether masked steps put out zeros, not the state that they leave as it is.
    """

    kind: str
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    reset_after: bool = True
    zero_output_for_mask: bool = True

    @property
    def states(self) -> int:
        """How many there are: h, and the LSTM's c."""
        return 2 if self.kind == "lstm" else 1

    def pack_size(self, dtype: Any, features: int, units: int) -> int:
        module = kernels.module(dtype)
        if self.kind == "gru":
            return module.gru_pack_size(features, units, self.reset_after)
        return module.rnn_pack_size(features, units, GATES[self.kind] * units)

    def memory_size(self, dtype: Any, shape: tuple[int, int, int], units: int, tiles: bool, training: bool) -> int:
        module = kernels.module(dtype)
        if self.kind == "gru":
            return module.gru_memory(*shape, units, self.reset_after, tiles, training)
        return module.rnn_memory(*shape, units, GATES[self.kind] * units, training)

    def call(self, dtype: Any, go_backwards: bool, training: bool) -> Any:
        """A `GRUCall` or `RNNCall` of the kernels."""
        ids = self.activation_ids
        options: dict[str, Any] = {"reset_after": self.reset_after} if self.kind == "gru" else {}
        make: Any = getattr(kernels.module(dtype), f"{self.kernels.upper()}Call")
        return make(
            activation=ids[0], recurrent_activation=ids[1], go_backwards=go_backwards,
            zero_output_for_mask=self.zero_output_for_mask, training=training, **options,
        )  # fmt: skip

    @property
    def activation_ids(self) -> tuple[int, int]:
        """The numbers of the two activations in calls of the kernels."""
        first, second = (kernels.activation_id(name) for name in (self.activation, self.recurrent_activation))
        assert first is not None and second is not None
        return first, second

    @property
    def kernels(self) -> str:
        """The names of the kernels begin so."""
        return "gru" if self.kind == "gru" else "rnn"

    def run(self, dtype: Any, which: str, call: Any, count: int, openmp: bool) -> None:
        """The kernels' "forward" (of a list of calls) or "backward" pass on so many threads."""
        function = getattr(kernels.module(dtype), f"{self.kernels}_{which}")
        with threads.one_blas_thread(not config.multiplies_with_tiles()):
            if openmp:
                kernels.on_openmp(function, call, count)
            else:
                function(call, count)


class Weights:
    """The weights of one direction, and their packed copy, which serves all passes without a backward one.

    Parameters
    ----------
    cell : Cell
    kernel : (F, 3H) or, of an LSTM, (F, 4H) ndarray
        C-contiguous, as the others; gates z r h, or i f c o.
    recurrent_kernel : (H, 3H) or (H, 4H) ndarray
    bias : (2, 3H) or (1, 3H) without `reset_after` or (4H,) ndarray, or None

    They must keep their numbers as long as this object is used.
    """

    def __init__(self, cell: Cell, kernel: Array, recurrent_kernel: Array, bias: Array | None) -> None:
        self.cell = cell
        self.kernel, self.recurrent_kernel, self.bias = kernel, recurrent_kernel, bias

    @property
    def units(self) -> int:
        return len(self.recurrent_kernel)

    @cached_property
    def packed(self) -> Array:
        cell, dtype, module = self.cell, self.kernel.dtype, kernels.module(self.kernel.dtype)
        packed = aligned_empty(cell.pack_size(dtype, len(self.kernel), self.units), dtype)
        if cell.kind == "gru":
            module.gru_pack(self.kernel, self.recurrent_kernel, self.bias, cell.reset_after, packed)
        else:
            module.rnn_pack(self.kernel, self.recurrent_kernel, packed)
        return packed


class Direction(NamedTuple):
    """One way through the sequences.

    `states` are the initial ones, (B, H) or None for zeros, one for each that the cell has, or empty. With
    `go_backwards` the outputs stand in the order in which they are computed, as in Keras: the last step's first.
    """

    weights: Weights
    states: tuple[Array | None, ...] = ()
    go_backwards: bool = False


class Gradients(NamedTuple):
    """What `Pass.backward` returns.

    `inputs` is (B, T, F), the sum over the directions, or None; `states` and `weights` have an entry for each
    direction: the gradients of its initial states (B, H), and those of kernel, recurrent kernel and bias, each None
    where it was not asked for.
    """

    inputs: Array | None
    states: list[tuple[Array | None, ...]]
    weights: list[tuple[Array | None, ...]]


class Pass:
    """A forward pass that has run.

    Attributes
    ----------
    outputs : list of tuple of ndarray
        For each direction the states after all steps (B, T, H), or None without `sequences`, and
        the last states (B, H).
    """

    def __init__(
        self,
        directions: Sequence[Direction],
        x: Array,
        mask: Array | None,
        sequences: bool,
        training: bool,
        threads: int,
        openmp: bool,
    ) -> None:
        self._dtype, self._threads, self._openmp = x.dtype, threads, openmp
        self._cell, self._packs = directions[0].weights.cell, training and config.multiplies_with_tiles()
        self._calls = [self._made(direction, x, mask, training) for direction in directions]
        self._workspaces: list[Workspace] = []
        self.outputs = self._forward(sequences)
        if not training:
            self.release()

    def _made(self, direction: Direction, x: Array, mask: Array | None, training: bool) -> Any:
        weights = direction.weights
        call = self._cell.call(self._dtype, direction.go_backwards, training)
        if config.multiplies_with_tiles() and not training:
            call.packed = weights.packed
        call.x, call.mask = x, None if mask is None else mask.view(np.uint8)
        call.kernel, call.recurrent_kernel, call.bias = weights.kernel, weights.recurrent_kernel, weights.bias
        for name, state in zip(("h0", "c0"), direction.states, strict=False):
            setattr(call, name, state)
        self._sizes = [
            self._cell.memory_size(self._dtype, x.shape, weights.units, config.multiplies_with_tiles(), training)
        ]
        if self._packs:  # weights that change with every batch are packed by the pass itself
            self._sizes.append(self._cell.pack_size(self._dtype, x.shape[2], weights.units))
        return call

    def _forward(self, sequences: bool) -> list[tuple[Array | None, ...]]:
        outputs: list[tuple[Array | None, ...]] = []
        for call in self._calls:
            workspace = Workspace(*self._sizes, dtype=self._dtype)
            self._workspaces.append(workspace)
            call.memory = workspace.arrays[0]
            if self._packs:
                call.packed = workspace.arrays[1]
            batch, steps, _ = call.x.shape
            units = len(call.recurrent_kernel)
            call.y = np.empty((batch, steps, units), self._dtype) if sequences else None
            call.last = np.empty((batch, units), self._dtype)
            outputs.append((call.y, call.last))
            if self._cell.states == 2:
                call.last_cell = np.empty((batch, units), self._dtype)
                outputs[-1] += (call.last_cell,)
        self._cell.run(self._dtype, "forward", self._calls, self._threads, self._openmp)
        for call in self._calls:  # whoever reads the outputs holds them
            call.y = None
        return outputs

    def backward(
        self,
        d_outputs: Sequence[tuple[Array | None, ...]],
        inputs: bool = True,
        states: bool = False,
        weights: Sequence[tuple[bool, ...]] | None = None,
    ) -> Gradients:
        """Run the backward pass, which uses up what the forward pass left: to run it again takes another of these, too.

        Parameters
        ----------
        d_outputs : sequence of tuple
            For each direction the gradients of its `outputs`, each of the same shape and C-contiguous, or None where it
            is zero.
        inputs, states : bool
            Whether their gradients are asked for.
        weights : sequence of tuple of bool, optional
            For each direction whether the gradients of kernel, recurrent kernel and bias are; all where absent.
        """
        if not self._workspaces:
            self._forward(False)
        gradients = Gradients(None, [], [])
        for index, (call, d_output) in enumerate(zip(self._calls, d_outputs, strict=True)):
            asked = (True, True, True) if weights is None else weights[index]
            parameters = (call.kernel, call.recurrent_kernel, call.bias)
            d_weights = [
                np.zeros(parameter.shape, self._dtype) if parameter is not None and is_asked else None
                for parameter, is_asked in zip(parameters, asked, strict=True)
            ]
            call.d_kernel, call.d_recurrent_kernel, call.d_bias = d_weights
            d_states = [np.empty(call.last.shape, self._dtype) if states else None for _ in range(self._cell.states)]
            call.dy, call.d_last, call.dh0 = d_output[0], d_output[1], d_states[0]
            if self._cell.states == 2:
                call.d_last_cell, call.dc0 = d_output[2], d_states[1]
            call.dx = np.empty(call.x.shape, self._dtype) if inputs else None
            self._cell.run(self._dtype, "backward", call, self._threads, self._openmp)
            gradients.states.append(tuple(d_states))
            gradients.weights.append(tuple(d_weights))
            if gradients.inputs is None:
                gradients = gradients._replace(inputs=call.dx)
            elif call.dx is not None:
                np.add(gradients.inputs, call.dx, out=gradients.inputs)
            call.dx = call.dy = call.d_last = None
        self.release()
        return gradients

    def release(self) -> None:
        """Hand on the memory that the backward pass reads, which happens by itself when nobody holds the pass."""
        for call, workspace in zip(self._calls, self._workspaces, strict=True):
            call.memory = None
            workspace.release()
        self._workspaces = []


def forward(
    directions: Sequence[Direction],
    x: Array,
    mask: Array | None = None,
    *,
    sequences: bool = True,
    training: bool = False,
    thread_count: int | None = None,
    openmp: bool = False,
) -> Pass:
    """Run the forward pass of one direction, or of two of the same cell side by side.

    Parameters
    ----------
    directions : sequence of Direction
    x : (B, T, F) ndarray
        C-contiguous.
    mask : (B, T) bool ndarray, optional
        C-contiguous; True where a step counts. A masked step leaves the states as they are and puts out what its
        cell says.
    sequences : bool
        Whether the states after all steps are asked for, too.
    training : bool
        A backward pass follows.
    thread_count : int, optional
        `threads.get_num_threads()` where absent.
    openmp : bool
        Whether it runs on the threads of OpenMP that `kernels.use_openmp` has named.
    """
    count = threads.get_num_threads() if thread_count is None else thread_count
    return Pass(directions, x, mask, sequences, training, count, openmp)
