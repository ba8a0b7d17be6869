"""The products of dense.pxi."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


def dense_forward(x: Array, kernel: Array, bias: Array | None, activation: Any) -> Array:
    """f(x (N, F) kernel (F, O) + bias (O,))."""
    y: Array = activation(x @ kernel if bias is None else x @ kernel + bias)
    return y


def dense_backward(x: Array, kernel: Array, y: Array, dy: Array, activation: Any) -> tuple[Array, Array, Array]:
    """Gradients of x, kernel and bias, for an activation whose derivative follows from its output y."""
    d = activation.backward(dy, y, None)
    return d @ kernel.T, x.T @ d, d.sum(axis=0)
