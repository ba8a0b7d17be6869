"""Running a layer inside a model or a wrapper, with what its activity regularizer adds to the loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.autodiff.recording import record
from fastgru.autodiff.tensor import plain, tensor
from fastgru.layers.share import batch_size_of
from fastgru.layers.workspace import Call
from fastgru.ops.op import values
from fastgru.regularizers import Regularizer
from fastgru.types import Array

__all__ = ["activity_penalty", "regularization", "run_backward", "run_forward"]


def regularization(regularizer: Regularizer, x: Any) -> Any:
    """What a regularizer adds to the loss for a tensor or a variable, as a tensor from which a gradient comes back."""
    numbers = np.asarray(plain(values(x)))
    y = tensor(np.asarray(regularizer(numbers), numbers.dtype))
    record((y,), (x,), (lambda d: d * regularizer.gradient(numbers),))
    return y


def run_forward(layer: Any, call: Call, *inputs: Array) -> tuple[Any, float]:
    """Outputs of a layer in a model or a wrapper, and the penalties of the activity regularizers in it."""
    call.penalty = 0.0
    try:
        outputs = layer.forward(call, *inputs)
    except Exception:
        layer.check_inputs(*inputs)  # where an own layer put out another shape than it declared, this names who got it
        raise
    if layer.activity_regularizer is None:
        return outputs, call.penalty
    return outputs, call.penalty + activity_penalty(layer, call, outputs)


def activity_penalty(layer: Any, call: Call, outputs: Any) -> float:
    """That of the layer's own regularizer, besides those of the layers inside."""
    penalty = 0.0
    if layer.activity_regularizer is not None:
        call.regularized = parts = outputs if isinstance(outputs, tuple) else (outputs,)
        penalty = sum(layer.activity_regularizer(part) / batch_size_of(len(part)) for part in parts)
    return penalty


def run_backward(layer: Any, call: Call, *d_outputs: Array | None) -> Any:
    """Gradients of a layer's inputs from those of its outputs, to which its activity regularizer adds."""
    regularizer = layer.activity_regularizer
    if regularizer is not None:
        gradients = [regularizer.gradient(part) / batch_size_of(len(part)) for part in call.regularized]
        d_outputs = tuple(new if d is None else d + new for d, new in zip(d_outputs, gradients, strict=True))
    return layer.backward(call, *d_outputs)
