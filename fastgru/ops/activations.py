"""The activations as ops: `fastgru.activations` has their formulas and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru import activations, kernels
from fastgru.activations import Activation
from fastgru.ops.op import elementwise_op, floating, primitive
from fastgru.types import Array

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh_shrink",
    "threshold",
]


def _of(activation: Activation, name: str | None = None, to_float: bool = True) -> Callable[..., Any]:
    """The op of an activation without options."""

    def function(x: Any) -> Array:
        if activation.kernel_id is None or not x.size or str(x.dtype) not in kernels.DTYPES:
            return np.asarray(activation.function(x), x.dtype)
        y = np.array(x, order="C")
        kernels.module(y.dtype).apply_activation(activation.kernel_id, y.reshape(1, -1))
        return y

    return elementwise_op(
        name or activation.name,
        function,
        lambda d, y, x: activation.derivative(d, y, x),
        doc=f"The activation {activation.name!r}.",
        to_float=to_float,
    )


relu, relu6, selu = _of(activations.relu, to_float=False), _of(activations.relu6), _of(activations.selu)
sigmoid, log_sigmoid = _of(activations.sigmoid), _of(activations.log_sigmoid)
hard_sigmoid, sparse_sigmoid = _of(activations.hard_sigmoid), _of(activations.sparse_sigmoid)
silu, swish = _of(activations.silu), _of(activations.silu, "swish")
hard_silu, hard_swish = _of(activations.hard_silu), _of(activations.hard_silu, "hard_swish")
hard_tanh, tanh_shrink = _of(activations.hard_tanh), _of(activations.tanh_shrink)
softplus, softsign, sparse_plus = _of(activations.softplus), _of(activations.softsign), _of(activations.sparse_plus)


def _with_options(activation: Activation, x: Any, **options: Any) -> tuple[Array, Any]:
    x = floating(x)
    y = np.asarray(activation.function(x, **options), x.dtype)
    return y, (lambda d: activation.derivative(d, y, x, **options),)


@primitive()
def leaky_relu(x: Any, negative_slope: float = 0.2) -> tuple[Any, Any]:
    """`x`, times `negative_slope` below 0."""
    return _with_options(activations.leaky_relu, x, negative_slope=negative_slope)


@primitive()
def elu(x: Any, alpha: float = 1.0) -> tuple[Any, Any]:
    """`x`, below 0 ``alpha * (exp(x) - 1)``."""
    return _with_options(activations.elu, x, alpha=alpha)


@primitive()
def celu(x: Any, alpha: float = 1.0) -> tuple[Any, Any]:
    """`x`, below 0 ``alpha * (exp(x / alpha) - 1)``."""
    return _with_options(activations.celu, x, alpha=alpha)


@primitive()
def gelu(x: Any, approximate: bool = True) -> tuple[Any, Any]:
    """`x` times the probability of a normal number below it; the approximation by tanh is the default."""
    return _with_options(activations.gelu, x, approximate=approximate)


@primitive()
def glu(x: Any, axis: int = -1) -> tuple[Any, Any]:
    """The first half along an axis times the sigmoid of the second."""
    return _with_options(activations.glu, x, axis=axis)


@primitive()
def hard_shrink(x: Any, threshold: float = 0.5) -> tuple[Any, Any]:
    """`x`, and 0 from ``-threshold`` to ``threshold``."""
    return _with_options(activations.hard_shrink, x, threshold=threshold)


@primitive()
def soft_shrink(x: Any, threshold: float = 0.5) -> tuple[Any, Any]:
    """`x` moved towards 0 by `threshold`."""
    return _with_options(activations.soft_shrink, x, threshold=threshold)


@primitive()
def threshold(x: Any, threshold: float, default_value: float) -> tuple[Any, Any]:
    """`x` above the threshold, else `default_value`."""
    return _with_options(activations.threshold, x, threshold=threshold, default_value=default_value)


@primitive()
def squareplus(x: Any, b: float = 4) -> tuple[Any, Any]:
    """``(x + sqrt(x ** 2 + b)) / 2``."""
    return _with_options(activations.squareplus, x, b=b)


def _axis(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


@primitive()
def softmax(x: Any, axis: Any = -1) -> tuple[Any, Any]:
    """``exp(x) / sum(exp(x))`` along an axis, several, or (None) all."""
    x = np.asarray(x)
    axes = tuple(range(x.ndim)) if axis is None else _axis(axis)
    return _with_options(activations.softmax, x, axis=axes)


@primitive()
def log_softmax(x: Any, axis: Any = -1) -> tuple[Any, Any]:
    """The logarithm of `softmax`."""
    x = np.asarray(x)
    axes = tuple(range(x.ndim)) if axis is None else _axis(axis)
    return _with_options(activations.log_softmax, x, axis=axes)


@primitive()
def sparsemax(x: Any, axis: int = -1) -> tuple[Any, Any]:
    """The point nearest to `x` whose numbers are probabilities, along an axis."""
    return _with_options(activations.sparsemax, x, axis=axis)
