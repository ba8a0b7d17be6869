"""One layer's passes as a node of PyTorch's graph, which holds the pass until its backward pass has run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fastgru.torch.layer_pass import CELLS, LayerPass
from fastgru.torch.weights import read

__all__ = ["TWICE", "Differentiated", "by_direction", "layer_pass"]

TWICE = (
    "fastgru.torch: the gradient of a gradient is not computed; use torch.nn's own layer where it is needed, and leave "
    "out create_graph=True where it is not."
)


def by_direction(row: Sequence[Any], directions: int) -> list[Any]:
    """What there is of all parameters, cut into that of each direction."""
    count = len(row) // directions
    return [row[count * index : count * (index + 1)] for index in range(directions)]


def layer_pass(
    mode: str,
    directions: int,
    batch_sizes: Any,
    x: Any,
    states: Sequence[Any],
    parameters: Sequence[Any],
    training: bool,
) -> LayerPass:
    """The pass of a layer with PyTorch's parameters."""
    cell = CELLS[mode]
    weights = [read(cell, each) for each in by_direction(parameters, directions)]
    return LayerPass(cell, x, batch_sizes, states, weights, training)


class Differentiated(torch.autograd.Function):  # type: ignore[misc]
    """apply(mode, directions, batch_sizes, state_count, x, *states, *parameters) -> the outputs of a `LayerPass`."""

    @staticmethod
    def forward(ctx: Any, mode: str, directions: int, batch_sizes: Any, state_count: int, x: Any, *tensors: Any) -> Any:
        states, parameters = tensors[:state_count], tensors[state_count:]
        ctx.layer_pass = layer_pass(mode, directions, batch_sizes, x, states, parameters, training=True)
        ctx.directions, ctx.state_count = directions, state_count
        ctx.save_for_backward(x, *tensors)  # none of them may change before the backward pass
        ctx.set_materialize_grads(False)
        return tuple(ctx.layer_pass.outputs)

    @staticmethod
    def backward(ctx: Any, *d_outputs: Any) -> Any:
        tensors = ctx.saved_tensors  # an error where one has changed
        asked = ctx.needs_input_grad[4:]
        d_inputs, d_states, d_weights = ctx.layer_pass.backward(
            d_outputs, asked[0], any(asked[1 : 1 + ctx.state_count]),
            by_direction(asked[1 + ctx.state_count :], ctx.directions),
        )  # fmt: skip
        gradients = d_inputs, *(d_states or [None] * ctx.state_count), *d_weights
        if torch.is_grad_enabled():
            gradients = _Once.apply(len(gradients), *gradients, *tensors, *d_outputs)
        return None, None, None, None, *gradients


class _Once(torch.autograd.Function):  # type: ignore[misc]
    """apply(count, *gradients, *tensors) -> the `count` gradients, whose own, by any of the tensors, are refused."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Any) -> Any:
        return tensors[:count]

    @staticmethod
    def backward(ctx: Any, *d_outputs: Any) -> Any:
        raise RuntimeError(TWICE)
