"""One layer's passes, of one direction or two, from tensors to tensors and without a graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from fastgru.bridges.sequence import Cell, Direction, Weights, forward
from fastgru.torch.arrays import array_of
from fastgru.torch.layouts import Group, layout_of
from fastgru.torch.openmp import IS_SHARED
from fastgru.torch.weights import d_parameters
from fastgru.types import Array

__all__ = ["CELLS", "LayerPass"]

CELLS = {"GRU": Cell("gru"), "LSTM": Cell("lstm")}  # by PyTorch's `mode`


class LayerPass:
    """A forward pass that has run.

    Parameters
    ----------
    cell : Cell
    x : (B, T, F) tensor, or (N, F) with `batch_sizes`
    batch_sizes : (T,) int64 tensor or None
        Of a PackedSequence.
    states : sequence of (D, B, H) tensor
        The initial ones of the D directions, h and an LSTM's c, or none.
    weights : sequence of Weights
        One or two: the second runs backwards.
    training : bool
        Whether a backward pass follows.

    Attributes
    ----------
    outputs : list of tensor
        y (B, T, D H) or (N, D H), and the last states (D, B, H).
    """

    def __init__(
        self, cell: Cell, x: Any, batch_sizes: Any, states: Sequence[Any], weights: Sequence[Weights], training: bool
    ) -> None:
        self._cell = cell
        self._layout = layout_of(batch_sizes)
        initial = [array_of(state) for state in states]
        self._passes = [
            forward(
                [
                    Direction(each, tuple(state[index, group.rows] for state in initial), index == 1)
                    for index, each in enumerate(weights)
                ],
                self._layout.group_of(group, x),
                group.mask,
                training=training,
                thread_count=torch.get_num_threads(),
                openmp=IS_SHARED,
            )
            for group in self._layout.groups
        ]
        self.outputs = self._merged([each.outputs for each in self._passes])
        for each in self._passes:
            each.outputs = []

    def _merged(self, outputs: list[Any]) -> list[Any]:
        """The groups' outputs of all directions as tensors."""
        y = self._layout.merged(
            [[out[0][:, ::-1] if index else out[0] for index, out in enumerate(directions)] for directions in outputs]
        )
        lasts = [
            _joined([[out[1 + number] for out in group] for group in outputs]) for number in range(self._cell.states)
        ]
        return [y, *lasts]

    def backward(
        self, d_outputs: Sequence[Any], inputs: bool, states: bool, parameters: Sequence[Sequence[bool]]
    ) -> tuple[Any, list[Any], list[Any]]:
        """The gradients of the inputs, of the initial states and of PyTorch's parameters, None where not asked for.

        `d_outputs` are those of `outputs`, or None for zeros; `parameters` says of each direction which are asked for.
        """
        asked = [(*each[:2], any(each[2:])) for each in parameters]
        groups = [
            each.backward(self._d_outputs(group, d_outputs, len(asked)), inputs, states, asked)
            for group, each in zip(self._layout.groups, self._passes, strict=True)
        ]
        d_inputs = self._layout.merged([[_present(each.inputs)] for each in groups]) if inputs else None
        d_states = [
            _joined([[_present(d_state[number]) for d_state in each.states] for each in groups])
            for number in range(self._cell.states if states else 0)
        ]
        d_weights: list[Any] = []
        for direction, each in enumerate(parameters):
            summed = [_sum(group.weights[direction][place] for group in groups) for place in range(3)]
            d_weights += d_parameters(self._cell, summed)[: len(each)]
        return d_inputs, d_states, d_weights

    def _d_outputs(self, group: Group, d_outputs: Sequence[Any], directions: int) -> list[tuple[Array | None, ...]]:
        """What the rows of a group have of the outputs' gradients, for each direction as it computes."""
        dy, *d_lasts = d_outputs
        whole = None if dy is None else self._layout.group_of(group, dy)
        parts = [None] * directions if whole is None else np.split(whole, directions, axis=-1)
        lasts = [None if d_last is None else array_of(d_last) for d_last in d_lasts]
        return [
            (
                None if part is None else np.ascontiguousarray(part[:, ::-1] if index else part),
                *(None if last is None else last[index, group.rows] for last in lasts),
            )
            for index, part in enumerate(parts)
        ]


def _present(array: Array | None) -> Array:
    assert array is not None
    return array


def _sum(arrays: Iterable[Array | None]) -> Array | None:
    """The sum, into the first of them; None of none."""
    total = None
    for array in arrays:
        total = array if total is None or array is None else np.add(total, array, out=total)
    return total


def _joined(groups: list[list[Array]]) -> Any:
    """States (D, B, H) of those of each group and direction."""
    return torch.from_numpy(np.concatenate([np.stack(directions) for directions in groups], axis=1))
