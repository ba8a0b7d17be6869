"""A recurrent layer's passes for Keras on PyTorch: a node of its graph, on its own threads."""

from __future__ import annotations

from typing import Any

import torch

from fastgru.bridges.sequence import Direction, Weights, forward
from fastgru.keras.options import PassOptions
from fastgru.torch.arrays import array_of
from fastgru.torch.openmp import IS_SHARED
from fastgru.types import Array

__all__ = ["can_read", "obstacle", "recurrent_pass"]


def obstacle() -> str | None:
    """Nothing is in the way of all layers."""
    return None


def can_read(x: torch.Tensor) -> bool:
    """Whether the kernels can read a tensor, which has no numbers where Keras asks for shapes alone."""
    return x.device.type == "cpu"


def _array(tensor: torch.Tensor | None) -> Array | None:
    return None if tensor is None else array_of(tensor)


def _run(options: PassOptions, training: bool, x: Any, mask: Any, weights: Any, states: Any) -> Any:
    """The pass that has run, and its outputs as tensors."""
    kernel, recurrent_kernel, bias = (_array(weight) for weight in weights)
    if bias is not None and options.cell.kind == "gru":
        bias = bias.reshape(-1, bias.shape[-1])  # one row without reset_after
    direction = Direction(
        Weights(options.cell, kernel, recurrent_kernel, bias),  # type: ignore[arg-type]  # which are there
        tuple(_array(state) for state in states),
        options.go_backwards,
    )
    ran = forward(
        [direction], _array(x), _array(mask), sequences=options.sequences, training=training,  # type: ignore[arg-type]
        thread_count=torch.get_num_threads(), openmp=IS_SHARED,
    )  # fmt: skip
    [(y, *lasts)] = ran.outputs
    return ran, tuple(torch.from_numpy(each) for each in (lasts if y is None else [y, *lasts]))


class _Pass(torch.autograd.Function):  # type: ignore[misc]
    """apply(options, mask, x, kernel, recurrent_kernel, bias, *states) -> the states after all steps where they are
    asked for, and the last ones."""

    @staticmethod
    def forward(ctx: Any, options: PassOptions, mask: Any, x: Any, *tensors: Any) -> Any:
        ctx.ran, outputs = _run(options, True, x, mask, tensors[:3], tensors[3:])
        ctx.options = options
        ctx.shapes = [None if tensor is None else tensor.shape for tensor in tensors]
        ctx.save_for_backward(x, *tensors)  # none of them may change before the backward pass
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *d_outputs: Any) -> Any:
        ctx.saved_tensors  # noqa: B018  # an error where one has changed
        read = [_array(d) for d in d_outputs]
        d_output = tuple(read if ctx.options.sequences else [None, *read])
        asked = ctx.needs_input_grad[2:]
        gradients = ctx.ran.backward([d_output], asked[0], any(asked[4:]), [asked[1:4]])
        arrays = [gradients.inputs, *gradients.weights[0], *(gradients.states[0] or [None] * len(asked[4:]))]
        shapes = [None, *ctx.shapes]
        return (
            None,
            None,
            *(
                None if array is None else torch.from_numpy(array if shape is None else array.reshape(shape))
                for array, shape in zip(arrays, shapes, strict=True)
            ),
        )


@torch.compiler.disable  # type: ignore[untyped-decorator]
def recurrent_pass(
    options: PassOptions,
    x: torch.Tensor,
    mask: torch.Tensor | None,
    kernel: torch.Tensor,
    recurrent_kernel: torch.Tensor,
    bias: torch.Tensor | None,
    *states: torch.Tensor,
) -> tuple[Any, ...]:
    """See `fastgru.keras.jax_pass.recurrent_pass`; `y` is None unless `options.sequences`."""
    tensors = (kernel, recurrent_kernel, bias, *states)
    if torch.is_grad_enabled() and any(each is not None and each.requires_grad for each in (x, *tensors)):
        outputs = _Pass.apply(options, mask, x, *tensors)
    else:
        outputs = _run(options, False, x, mask, tensors[:3], states)[1]
    return outputs if options.sequences else (None, *outputs)
