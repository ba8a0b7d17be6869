"""What networks are made of: normalisations, cross-entropies, attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastgru import kernels
from fastgru.ops import activations, elementwise, indexing, linear, reductions, shaping
from fastgru.ops.op import composite, floating, primitive, reduced_axes, with_axes

__all__ = [
    "batch_normalization",
    "binary_crossentropy",
    "categorical_crossentropy",
    "dot_product_attention",
    "layer_normalization",
    "moments",
    "normalize",
    "rms_normalization",
    "sparse_categorical_crossentropy",
]


# --- normalisations ---------------------------------------------------------------------------------------------------


@composite()
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """Mean and variance along axes."""
    if synchronized:
        raise ValueError("moments: synchronized=True is not supported by fastgru; it computes on one machine.")
    x = shaping.as_tensor(x, floating)
    mean = reductions.mean(x, axes, keepdims=True)
    variance = reductions.mean(elementwise.square(x - mean), axes, keepdims)
    return (mean if keepdims else shaping.squeeze(mean, reduced_axes(axes, x.ndim))), variance


def _along(x: Any, shape: tuple[int, ...], axes: Any) -> Any:
    """A vector, or an array of the sizes along `axes`, in a form that multiplies an array of `shape`."""
    axes = reduced_axes(axes, len(shape))
    return shaping.reshape(x, [size if axis in axes else 1 for axis, size in enumerate(shape)])


@composite()
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``, with vectors along an axis."""
    x = shaping.as_tensor(x, floating)
    factor = elementwise.rsqrt(_along(variance, x.shape, axis) + epsilon)
    if scale is not None:
        factor = factor * _along(scale, x.shape, axis)
    y = (x - _along(mean, x.shape, axis)) * factor
    return y if offset is None else y + _along(offset, x.shape, axis)


@composite(arrays=3)
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, **kwargs: Any
) -> Any:
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, with the mean and variance along the axes."""
    if kwargs.pop("rms_scaling", False):
        return rms_normalization(x, gamma, axis, epsilon)
    if kwargs:
        raise TypeError(f"layer_normalization: unexpected arguments {sorted(kwargs)}.")
    x = shaping.as_tensor(x, floating)
    mean, variance = moments(x, axis, keepdims=True)
    y = (x - mean) * elementwise.rsqrt(variance + (kernels.EPSILON if epsilon is None else epsilon))
    if gamma is not None:
        y = y * _along(gamma, x.shape, axis)
    return y if beta is None else y + _along(beta, x.shape, axis)


@primitive()
def _mean_square(x: Any, axis: Any) -> tuple[Any, Any]:
    """The mean of the squares along axes, which stay; that of a row does not depend on other rows, as BLAS's may."""
    axes = reduced_axes(axis, x.ndim)
    count = math.prod(x.shape[axis] for axis in axes)
    shape = with_axes(x.shape, axes)
    if axes == tuple(range(x.ndim - len(axes), x.ndim)) and x.dtype.itemsize > 2:
        rows = x.reshape(-1, count)
        y = np.einsum("rc,rc->r", rows, rows).reshape(shape)
        y /= count
    else:
        y = np.mean(np.square(x), axes, keepdims=True)
    return y, (lambda d: d * x * (2 / count),)


@composite(arrays=2)
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """``x / sqrt(mean(x ** 2) + epsilon) * scale``, with the mean along the axes."""
    x = shaping.as_tensor(x, floating)
    mean = _mean_square(x, axis)
    y = x * elementwise.rsqrt(mean + (kernels.EPSILON if epsilon is None else epsilon))
    return y if scale is None else y * _along(scale, x.shape, axis)


@composite()
def normalize(x: Any, axis: Any = -1, order: Any = 2, epsilon: float | None = None) -> Any:
    """`x` divided by its norm along an axis, which is at least epsilon."""
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"normalize: expected a whole number of at least 1 as order, got {order!r}.")
    x = shaping.as_tensor(x, floating)
    epsilon = kernels.EPSILON if epsilon is None else epsilon
    if order == 2:
        squares = reductions.sum(elementwise.square(x), axis, keepdims=True)
        return x * elementwise.rsqrt(elementwise.maximum(squares, epsilon**2))
    return x / elementwise.maximum(reductions.norm(x, order, axis, keepdims=True), epsilon)


# --- cross-entropies --------------------------------------------------------------------------------------------------


def _probabilities(x: Any) -> Any:
    return elementwise.clip(x, kernels.EPSILON, 1 - kernels.EPSILON)


@composite(arrays=2)
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """``-t log p - (1 - t) log(1 - p)`` of each number, with p the output or (`from_logits`) its sigmoid."""
    target, output = shaping.as_tensor(target, floating), shaping.as_tensor(output, floating)
    _same_shape("binary_crossentropy", target, output)
    if from_logits:
        return activations.softplus(output) - target * output
    p = _probabilities(output)
    return -(target * elementwise.log(p) + (1 - target) * elementwise.log(1 - p))


@composite(arrays=2)
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """``-sum(t log p)`` along an axis, with p the output divided by its sum or (`from_logits`) its softmax."""
    target, output = shaping.as_tensor(target, floating), shaping.as_tensor(output, floating)
    _same_shape("categorical_crossentropy", target, output)
    return -reductions.sum(target * _log_probabilities(output, from_logits, axis), axis)


@composite(arrays=2)
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """``-log p[target]`` along an axis, with p the output divided by its sum or (`from_logits`) its softmax."""
    target, output = shaping.as_tensor(target), shaping.as_tensor(output, floating)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = shaping.squeeze(target, -1)
    along = axis % output.ndim
    expected = tuple(size for one, size in enumerate(output.shape) if one != along)
    if target.shape != expected:
        raise ValueError(f"sparse_categorical_crossentropy: expected targets of shape {expected}, got {target.shape}.")
    log_p = _log_probabilities(output, from_logits, axis)
    places = shaping.expand_dims(shaping.cast(target, "int64"), along)
    return -shaping.squeeze(indexing.take_along_axis(log_p, places, along), along)


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return activations.log_softmax(output, axis)
    return elementwise.log(_probabilities(output / reductions.sum(output, axis, keepdims=True)))


def _same_shape(name: str, target: Any, output: Any) -> None:
    if target.shape != output.shape:
        raise ValueError(f"{name}: expected targets of the shape {output.shape} of the output, got {target.shape}.")


# --- attention --------------------------------------------------------------------------------------------------------


@composite(arrays=6)
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """``softmax(scale * query key^T + bias) value`` for each head.

    Parameters
    ----------
    query : (B, T, N, H) array_like
    key, value : (B, S, K, H) array_like
        With as many heads as the query, or a divisor of them: each is then shared.
    bias : array_like, optional
        Broadcast to (B, N, T, S).
    mask : bool array_like, optional
        Broadcast to (B, N, T, S); False where a step is not to be looked at.
    scale : float, optional
        ``1 / sqrt(H)`` where absent.
    is_causal : bool
        Whether no step looks at later ones.
    flash_attention : bool, optional
        Accepted for Keras's sake: a way to compute the same.
    attn_logits_soft_cap : float, optional
        A bound that the logits approach.
    """
    query, key, value = (shaping.as_tensor(x, floating) for x in (query, key, value))
    if query.ndim != 4 or key.ndim != 4 or value.ndim != 4:
        raise ValueError(
            "dot_product_attention: expected query, key and value of shape (batch, steps, heads, size), got "
            f"{query.shape}, {key.shape} and {value.shape}."
        )
    heads, shared = query.shape[2], key.shape[2]
    if shared != heads:
        key, value = (shaping.repeat(x, heads // shared, 2) for x in (key, value))
    factor = 1 / np.sqrt(query.shape[-1]) if scale is None else scale
    logits = linear.einsum("btnh,bsnh->bnts", query * float(factor), key)
    if bias is not None:
        logits = logits + bias
    if attn_logits_soft_cap is not None:
        logits = elementwise.tanh(logits / attn_logits_soft_cap) * attn_logits_soft_cap
    if is_causal:
        causal = np.tri(logits.shape[-2], logits.shape[-1], dtype=bool)
        mask = causal if mask is None else np.logical_and(mask, causal)
    if mask is not None:
        logits = indexing.where(mask, logits, float(np.finfo(logits.dtype).min) * 0.7)
    return linear.einsum("bnts,bsnh->btnh", activations.softmax(logits), value)
