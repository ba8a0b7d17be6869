"""One layer's passes as operators that ``torch.compile`` sees as they are, with their shapes and their derivative.

A compiled graph has nothing but tensors between its operators. So ``fastgru::layer`` puts out the number under which
the pass stands in a table until the tensor with that number is gone. Where it is gone before the backward pass, because
the graph was copied, say, the backward pass runs the forward pass again.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fastgru.torch.autograd import TWICE, by_direction, layer_pass
from fastgru.torch.layer_pass import LayerPass

__all__ = ["layer"]

_numbers = itertools.count(1)
_passes: dict[int, LayerPass] = {}

_ARGUMENTS = "str mode, int directions, Tensor? batch_sizes, Tensor x, Tensor[] states, Tensor[] parameters"


def _forward(
    mode: str, directions: int, batch_sizes: Any, x: Any, states: list[Any], parameters: list[Any], training: bool
) -> tuple[Any, ...]:
    ran = layer_pass(mode, directions, batch_sizes, x, states, parameters, training)
    number = np.array([next(_numbers)])
    if training:
        _passes[number[0]] = ran
        weakref.finalize(number, _passes.pop, number[0], None)
    return _four(ran.outputs, x, torch.from_numpy(number))


def _four(outputs: Sequence[Any], x: Any, number: Any) -> tuple[Any, ...]:
    """y, h, an LSTM's c and the pass's number."""
    y, h, *cells = outputs
    return y, h, cells[0] if cells else x.new_empty(0), number


layer = torch.library.custom_op(
    "fastgru::layer",
    _forward,
    mutates_args=(),
    schema=f"({_ARGUMENTS}, bool training) -> (Tensor, Tensor, Tensor, Tensor)",
)


@layer.register_fake  # type: ignore[untyped-decorator]
def _shapes(
    mode: str, directions: int, batch_sizes: Any, x: Any, states: list[Any], parameters: list[Any], training: bool
) -> tuple[Any, ...]:
    units = parameters[1].shape[1]
    if batch_sizes is None:
        rows = x.shape[0]
    else:
        rows = states[0].shape[1] if states else torch.library.get_ctx().new_dynamic_size()
    outputs = [x.new_empty(*x.shape[:-1], directions * units)]
    outputs += [x.new_empty(directions, rows, units) for _ in range(2 if mode == "LSTM" else 1)]
    return _four(outputs, x, x.new_empty(1, dtype=torch.int64))


def _backward(
    mode: str,
    directions: int,
    batch_sizes: Any,
    x: Any,
    states: list[Any],
    parameters: list[Any],
    number: Any,
    d_outputs: list[Any],
    asked: list[bool],
) -> list[Any]:
    ran = _passes.get(number.item())
    if ran is None:
        ran = layer_pass(mode, directions, batch_sizes, x, states, parameters, True)
    first = 1 + len(states)
    d_inputs, d_states, d_parameters = ran.backward(
        d_outputs, asked[0], any(asked[1:first]), by_direction(asked[first:], directions)
    )
    gradients = [d_inputs, *(d_states or [None] * len(states)), *d_parameters]
    return [x.new_empty(0) if each is None else each for each in gradients]


layer_backward = torch.library.custom_op(
    "fastgru::layer_backward",
    _backward,
    mutates_args=(),
    schema=f"({_ARGUMENTS}, Tensor number, Tensor?[] d_outputs, bool[] asked) -> Tensor[]",
)


@layer_backward.register_fake  # type: ignore[untyped-decorator]
def _gradient_shapes(
    mode: str,
    directions: int,
    batch_sizes: Any,
    x: Any,
    states: list[Any],
    parameters: list[Any],
    number: Any,
    d_outputs: list[Any],
    asked: list[bool],
) -> list[Any]:
    first = 1 + len(states)
    shown = [asked[0], *[any(asked[1:first])] * len(states), *asked[first:]]
    tensors = [x, *states, *parameters]
    return [each.new_empty(each.shape if shows else 0) for each, shows in zip(tensors, shown, strict=True)]


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.mode, ctx.directions, batch_sizes, x, states, parameters, _ = inputs
    ctx.state_count = len(states)
    ctx.save_for_backward(batch_sizes, output[3], x, *states, *parameters)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, *d_outputs: Any) -> tuple[Any, ...]:
    batch_sizes, number, x, *tensors = ctx.saved_tensors
    states, parameters = tensors[: ctx.state_count], tensors[ctx.state_count :]
    asked = [each.requires_grad for each in (x, *tensors)]
    outputs = list(d_outputs[: 3 if ctx.mode == "LSTM" else 2])
    d_x, *gradients = layer_backward(
        ctx.mode, ctx.directions, batch_sizes, x, states, parameters, number, outputs, asked
    )  # fmt: skip
    return None, None, None, d_x, gradients[: ctx.state_count], gradients[ctx.state_count :], None


def _refuse(ctx: Any, *d_outputs: Any) -> Any:
    raise RuntimeError(TWICE)


layer.register_autograd(_differentiate, setup_context=_setup)
layer_backward.register_autograd(_refuse)
