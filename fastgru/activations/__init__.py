"""Keras's activation functions, each beside its backward pass.

An activation is an object that is called like Keras's function of the same name. `backward` multiplies an output
gradient by the derivative; most derivatives are written in the output y, so that the input need not be stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from fastgru import autodiff, registry
from fastgru.activations.activation import KNOWN, Activation
from fastgru.naming import suggestion
from fastgru.object_registration import custom_function, custom_objects_in_force
from fastgru.registry import Identifier
from fastgru.types import Array

__all__ = [
    "Activation",
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_sigmoid_old",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
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
    "tanh",
    "tanh_shrink",
    "threshold",
]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

# --- in the order of Keras's documentation; `d_f` is the backward of `f` --------------------------------------------


def _linear(x: Array) -> Array:
    return x


def _d_linear(dy: Array, y: Array, x: Array | None) -> Array:
    return dy


def _relu(x: Array, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    y = np.where(x > threshold, x, 0) if threshold else np.maximum(x, 0)
    if max_value is not None:
        y = np.clip(y, 0, max_value)
    return y - negative_slope * np.maximum(threshold - x, 0) if negative_slope else y


def _d_relu(
    dy: Array,
    y: Array,
    x: Array | None,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    dx = np.where(y > 0 if x is None else x > threshold, dy, negative_slope * dy if negative_slope else 0)
    return dx if max_value is None else np.where(y < max_value, dx, 0)


def _leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    # arithmetic: np.where takes four times as long
    return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)


def _d_leaky_relu(dy: Array, y: Array, x: Array | None, negative_slope: float = 0.2) -> Array:
    return np.where((y if x is None else x) >= 0, dy, negative_slope * dy)


def _relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def _d_relu6(dy: Array, y: Array, x: Array | None) -> Array:
    return np.where((y > 0) & (y < 6), dy, 0)


def _softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    y = np.exp(x - x.max(axis=axis, keepdims=True))
    y /= y.sum(axis=axis, keepdims=True)
    return y


def _d_softmax(dy: Array, y: Array, x: Array | None, axis: int | tuple[int, ...] = -1) -> Array:
    return y * (dy - (dy * y).sum(axis=axis, keepdims=True))


def _log_softmax(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _d_log_softmax(dy: Array, y: Array, x: Array | None, axis: int | tuple[int, ...] = -1) -> Array:
    return dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)


def _sparsemax(x: Array, axis: int = -1) -> Array:
    # y = max(x - tau, 0) with tau such that y sums to 1 (Martins and Astudillo, 2016); Keras 3's does not always
    x = np.moveaxis(x, axis, -1)
    descending = -np.sort(-x, axis=-1)
    excess = np.cumsum(descending, axis=-1) - 1
    count = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    support = (descending * count > excess).sum(axis=-1, keepdims=True)
    tau = np.take_along_axis(excess, support - 1, axis=-1) / support
    return np.moveaxis(np.maximum(x - tau, 0), -1, axis)


def _d_sparsemax(dy: Array, y: Array, x: Array | None, axis: int = -1) -> Array:
    support = y > 0
    mean = (dy * support).sum(axis=axis, keepdims=True) / support.sum(axis=axis, keepdims=True)
    return np.where(support, dy - mean, 0).astype(dy.dtype)


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _d_elu(dy: Array, y: Array, x: Array | None, alpha: float = 1.0) -> Array:
    return dy * np.where(y > 0, 1, y + alpha).astype(y.dtype)


def _selu(x: Array) -> Array:
    return SELU_SCALE * _elu(x, SELU_ALPHA)


def _d_selu(dy: Array, y: Array, x: Array | None) -> Array:
    return dy * np.where(y > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA).astype(y.dtype)


def _celu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _d_celu(dy: Array, y: Array, x: Array | None, alpha: float = 1.0) -> Array:
    return dy * np.where(y > 0, 1, y / alpha + 1).astype(y.dtype)


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def _d_sigmoid(dy: Array, y: Array, x: Array | None) -> Array:
    return dy * y * (1 - y)


def _log_sigmoid(x: Array) -> Array:
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def _d_log_sigmoid(dy: Array, y: Array, x: Array | None) -> Array:
    return -dy * np.expm1(y)


def _hard_sigmoid(x: Array) -> Array:
    return np.clip(x / 6 + 0.5, 0, 1)


def _d_hard_sigmoid(dy: Array, y: Array, x: Array | None) -> Array:
    return np.where((y > 0) & (y < 1), dy / 6, 0)


def _hard_sigmoid_old(x: Array) -> Array:
    return np.clip(0.2 * x + 0.5, 0, 1)


def _d_hard_sigmoid_old(dy: Array, y: Array, x: Array | None) -> Array:
    return np.where((y > 0) & (y < 1), dy * 0.2, 0)


def _sparse_sigmoid(x: Array) -> Array:
    return 0.5 * np.clip(x + 1, 0, 2)


def _d_sparse_sigmoid(dy: Array, y: Array, x: Array | None) -> Array:
    return dy * ((y > 0) & (y < 1)) * 0.5


def _tanh(x: Array) -> Array:
    return np.tanh(x)


def _d_tanh(dy: Array, y: Array, x: Array | None) -> Array:
    return dy * (1 - y * y)


def _hard_tanh(x: Array) -> Array:
    return np.clip(x, -1, 1)


def _d_hard_tanh(dy: Array, y: Array, x: Array | None) -> Array:
    return dy * (np.abs(y) < 1)


def _tanh_shrink(x: Array) -> Array:
    return x - np.tanh(x)


def _d_tanh_shrink(dy: Array, y: Array, x: Array) -> Array:
    return dy * np.square(x - y)


def _hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    return np.where(np.abs(x) > threshold, x, 0)


def _d_hard_shrink(dy: Array, y: Array, x: Array | None, threshold: float = 0.5) -> Array:
    return dy * (y != 0)


def _soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    return x - np.clip(x, -threshold, threshold)


def _d_soft_shrink(dy: Array, y: Array, x: Array | None, threshold: float = 0.5) -> Array:
    return dy * (y != 0)


def _threshold(x: Array, threshold: float, default_value: float) -> Array:
    return np.where(x > threshold, x, default_value)


def _d_threshold(dy: Array, y: Array, x: Array, threshold: float, default_value: float) -> Array:
    return dy * (x > threshold)


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _d_softplus(dy: Array, y: Array, x: Array | None) -> Array:
    return -dy * np.expm1(-y)


def _sparse_plus(x: Array) -> Array:
    return np.where(x >= 1, x, np.square(np.clip(x, -1, 1) + 1) / 4)


def _d_sparse_plus(dy: Array, y: Array, x: Array) -> Array:
    return dy * (np.clip(x, -1, 1) + 1) / 2


def _squareplus(x: Array, b: float = 4) -> Array:
    return (x + np.sqrt(x * x + b)) / 2


def _d_squareplus(dy: Array, y: Array, x: Array, b: float = 4) -> Array:
    return dy * (1 + x / np.sqrt(x * x + b)) / 2


def _softsign(x: Array) -> Array:
    return x / (1 + np.abs(x))


def _d_softsign(dy: Array, y: Array, x: Array | None) -> Array:
    return dy * np.square(1 - np.abs(y))


def _silu(x: Array) -> Array:
    return x * _sigmoid(x)


def _d_silu(dy: Array, y: Array, x: Array) -> Array:
    s = _sigmoid(x)
    return dy * (s + y * (1 - s))


def _hard_silu(x: Array) -> Array:
    return x * _hard_sigmoid(x)


def _d_hard_silu(dy: Array, y: Array, x: Array) -> Array:
    return dy * np.where(np.abs(x) < 3, x / 3 + 0.5, x > 0).astype(dy.dtype)


def _mish(x: Array) -> Array:
    return x * np.tanh(_softplus(x))


def _d_mish(dy: Array, y: Array, x: Array) -> Array:
    t = np.tanh(_softplus(x))
    return dy * (t + x * (1 - t * t) * _sigmoid(x))


_GELU_SLOPE = math.sqrt(2 / math.pi)


def _normal_cdf(x: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(ndtr(x))


_GELU_END = 20  # beyond which tanh is 1 to the last bit, also in float64, and powers may overflow


def _gelu_tanh(x: Array) -> Array:
    x = np.clip(x, -_GELU_END, _GELU_END)
    return np.tanh(_GELU_SLOPE * (x + 0.044715 * x**3))


def _gelu(x: Array, approximate: bool = False) -> Array:
    return 0.5 * x * (1 + _gelu_tanh(x)) if approximate else x * _normal_cdf(x)


def _d_gelu(dy: Array, y: Array, x: Array, approximate: bool = False) -> Array:
    if approximate:
        t, x = _gelu_tanh(x), np.clip(x, -_GELU_END, _GELU_END)
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _GELU_SLOPE * (1 + 3 * 0.044715 * x * x))
    return dy * (_normal_cdf(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def _glu(x: Array, axis: int = -1) -> Array:
    if x.shape[axis] % 2:
        raise ValueError(f"glu: expected an even length along axis {axis}, got shape {x.shape}.")
    a, b = np.split(x, 2, axis=axis)
    return a * _sigmoid(b)


def _d_glu(dy: Array, y: Array, x: Array, axis: int = -1) -> Array:
    s = _sigmoid(np.split(x, 2, axis=axis)[1])
    return np.concatenate([dy * s, dy * y * (1 - s)], axis=axis)


def _exponential(x: Array) -> Array:
    return np.exp(x)


def _d_exponential(dy: Array, y: Array, x: Array | None) -> Array:
    return dy * y


linear = Activation("linear", _linear, _d_linear)
relu = Activation("relu", _relu, _d_relu)
leaky_relu = Activation("leaky_relu", _leaky_relu, _d_leaky_relu)
relu6 = Activation("relu6", _relu6, _d_relu6)
softmax = Activation("softmax", _softmax, _d_softmax)
log_softmax = Activation("log_softmax", _log_softmax, _d_log_softmax)
sparsemax = Activation("sparsemax", _sparsemax, _d_sparsemax)
elu = Activation("elu", _elu, _d_elu)
selu = Activation("selu", _selu, _d_selu)
celu = Activation("celu", _celu, _d_celu)
sigmoid = Activation("sigmoid", _sigmoid, _d_sigmoid)
log_sigmoid = Activation("log_sigmoid", _log_sigmoid, _d_log_sigmoid)
hard_sigmoid = Activation("hard_sigmoid", _hard_sigmoid, _d_hard_sigmoid)
# Keras 1 and 2 meant this by hard_sigmoid; Keras 3 has no name for it
hard_sigmoid_old = Activation("hard_sigmoid_old", _hard_sigmoid_old, _d_hard_sigmoid_old)
sparse_sigmoid = Activation("sparse_sigmoid", _sparse_sigmoid, _d_sparse_sigmoid)
tanh = Activation("tanh", _tanh, _d_tanh)
hard_tanh = Activation("hard_tanh", _hard_tanh, _d_hard_tanh)
tanh_shrink = Activation("tanh_shrink", _tanh_shrink, _d_tanh_shrink, needs_input=True)
hard_shrink = Activation("hard_shrink", _hard_shrink, _d_hard_shrink)
soft_shrink = Activation("soft_shrink", _soft_shrink, _d_soft_shrink)
threshold = Activation("threshold", _threshold, _d_threshold, needs_input=True)
softplus = Activation("softplus", _softplus, _d_softplus)
sparse_plus = Activation("sparse_plus", _sparse_plus, _d_sparse_plus, needs_input=True)
squareplus = Activation("squareplus", _squareplus, _d_squareplus, needs_input=True)
softsign = Activation("softsign", _softsign, _d_softsign)
silu = swish = Activation("silu", _silu, _d_silu, needs_input=True)
hard_silu = hard_swish = Activation("hard_silu", _hard_silu, _d_hard_silu, needs_input=True)
mish = Activation("mish", _mish, _d_mish, needs_input=True)
gelu = Activation("gelu", _gelu, _d_gelu, needs_input=True)
glu = Activation("glu", _glu, _d_glu, needs_input=True)
exponential = Activation("exponential", _exponential, _d_exponential)

KNOWN |= {activation.name: activation for activation in list(vars().values()) if isinstance(activation, Activation)}
KNOWN |= {"swish": silu, "hard_swish": hard_silu}
# layers that Keras takes, and saves, as activations too, with their own defaults
_LAYERS: dict[str, tuple[Activation, dict[str, Any]]] = {
    "ReLU": (relu, {"negative_slope": 0.0, "max_value": None, "threshold": 0.0}),
    "LeakyReLU": (leaky_relu, {"negative_slope": 0.3}),
    "ELU": (elu, {"alpha": 1.0}),
    "Softmax": (softmax, {"axis": -1}),
}


def get(identifier: Identifier | None, custom_objects: Mapping[str, Any] | None = None) -> Activation:
    """The activation for a Keras name, a config of it, a Python function, or itself; linear for None.

    It may also be one of the layers ReLU, LeakyReLU, ELU and Softmax, or the config of one. The gradient of a
    user's function follows from the ops in it. ValueError for anything else.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, Mapping) and isinstance(identifier.get("config"), str):
        identifier = identifier["config"]
    if isinstance(identifier, Mapping) and identifier.get("class_name") in _LAYERS:
        return _of_layer(identifier)
    if type(identifier).__name__ in _LAYERS and hasattr(identifier, "get_config"):
        return _of_layer(registry.serialize(identifier))
    if isinstance(identifier, str):
        name = identifier
        identifier = custom_function(name, custom_objects_in_force(custom_objects)) or KNOWN.get(name)
        if identifier is None:
            raise ValueError(f"Activation {name!r} is not known to fastgru; {suggestion(name, KNOWN)}")
    if isinstance(identifier, Mapping):
        identifier = registry.deserialize(identifier, registry.LAYERS, custom_objects)
    if isinstance(identifier, Activation):
        return identifier
    if callable(identifier):
        return _of_function(identifier)
    raise ValueError(f"Activation: expected a name, a function or None, got {identifier!r}.")


def serialize(activation: Identifier | None) -> Any:
    """Keras's config of an activation: its name, or the config of the layer that it is."""
    activation = get(activation)
    return activation.name if activation.form is None else activation.form


def deserialize(config: Identifier | None, custom_objects: Mapping[str, Any] | None = None) -> Activation:
    """The activation that `serialize` described."""
    return get(config, custom_objects)


def _of_layer(form: Mapping[str, Any]) -> Activation:
    activation, defaults = _LAYERS[form["class_name"]]
    config = dict(form.get("config") or {})
    if activation is leaky_relu and "alpha" in config:  # its older name
        config["negative_slope"] = config["alpha"]
    options = {name: config.get(name, default) for name, default in defaults.items()}
    if isinstance(options.get("axis"), list):
        options["axis"] = tuple(options["axis"])
    function, derivative = partial(activation.function, **options), partial(activation.derivative, **options)
    return Activation(activation.name, function, derivative, needs_input=True, form=form)


def _of_function(function: Callable[..., Any]) -> Activation:
    name = getattr(function, "__name__", type(function).__name__)

    def derivative(dy: Array, y: Array, x: Array, **options: Any) -> Array:
        _, pull = autodiff.with_pullback(lambda numbers: function(numbers, **options), x)
        (gradient,) = pull(dy)
        if gradient is None:
            raise ValueError(
                f"Activation {name!r}: does not depend on its argument by fastgru.ops, operators or numpy's functions, "
                "and has no gradient to train with."
            )
        return np.asarray(gradient)

    return Activation(name, function, derivative, needs_input=True, form=registry.serialize(function))


def __dir__() -> list[str]:
    return __all__
