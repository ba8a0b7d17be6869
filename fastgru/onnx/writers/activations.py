"""Activations, as options of layers and as layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastgru import activations
from fastgru.activations import Activation
from fastgru.layers.activations.activation import Activation as ActivationLayer
from fastgru.layers.activations.rectifiers import ELU, LeakyReLU, PReLU, ReLU
from fastgru.layers.activations.softmax import Softmax
from fastgru.onnx.writer import NO_MASK, Applied, Writer, writes

__all__ = ["activated"]


def _gelu(out: Writer, x: str, dtype: str) -> str:
    cdf = out.node("Erf", out.node("Mul", x, out.constant(math.sqrt(0.5), dtype)))
    half = out.node("Mul", x, out.constant(0.5, dtype))
    return out.node("Mul", half, out.node("Add", cdf, out.constant(1.0, dtype)))


def _clipped(low: float, high: float) -> Callable[[Writer, str, str], str]:
    return lambda out, x, dtype: out.node("Clip", x, out.constant(low, dtype), out.constant(high, dtype))


def _op(name: str, **attributes: Any) -> Callable[[Writer, str, str], str]:
    return lambda out, x, dtype: out.node(name, x, **attributes)


def _times(gate: Callable[[Writer, str, str], str]) -> Callable[[Writer, str, str], str]:
    return lambda out, x, dtype: out.node("Mul", x, gate(out, x, dtype))


_FUNCTIONS: dict[str, Callable[[Writer, str, str], str]] = {
    "celu": _op("Celu"),
    "elu": _op("Elu"),
    "exponential": _op("Exp"),
    "gelu": _gelu,
    "hard_sigmoid": _op("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_sigmoid_old": _op("HardSigmoid", alpha=0.2, beta=0.5),
    "hard_silu": _times(_op("HardSigmoid", alpha=1 / 6, beta=0.5)),
    "hard_tanh": _clipped(-1.0, 1.0),
    "leaky_relu": _op("LeakyRelu", alpha=0.2),
    "linear": lambda out, x, dtype: x,
    "log_sigmoid": lambda out, x, dtype: out.node("Log", out.node("Sigmoid", x)),
    "log_softmax": _op("LogSoftmax", axis=-1),
    "mish": _times(lambda out, x, dtype: out.node("Tanh", out.node("Softplus", x))),
    "relu": _op("Relu"),
    "relu6": _clipped(0.0, 6.0),
    "selu": _op("Selu"),
    "sigmoid": _op("Sigmoid"),
    "silu": _times(_op("Sigmoid")),
    "softmax": _op("Softmax", axis=-1),
    "softplus": _op("Softplus"),
    "softsign": _op("Softsign"),
    "tanh": _op("Tanh"),
}


def activated(out: Writer, layer: Any, activation: Activation, x: str, dtype: str) -> str:
    """The activation of a layer; ValueError with the layer's name where ONNX has none like it."""
    function = _FUNCTIONS.get(activation.name)
    if function is None or activation.form is not None or activation is not getattr(activations, activation.name, None):
        raise ValueError(
            f"layer {layer.name!r}: its activation {activation.name!r} cannot be written as ONNX; it knows "
            f"{', '.join(sorted(_FUNCTIONS))}"
        )
    return function(out, x, dtype)


@writes(ActivationLayer)
def _activation(out: Writer, call: Applied) -> tuple[list[str], str]:
    return [activated(out, call.layer, call.layer.activation, call.name, call.layer.dtype)], call.mask


@writes(ReLU)
def _relu(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer, dtype = call.layer, call.layer.dtype
    if layer.threshold:
        raise ValueError(f"layer {layer.name!r}: its threshold cannot be written as ONNX; use a ReLU without one")
    y = out.node("LeakyRelu", call.name, alpha=float(layer.negative_slope)) if layer.negative_slope else None
    y = y or out.node("Relu", call.name)
    return [y if layer.max_value is None else out.node("Min", y, out.constant(layer.max_value, dtype))], call.mask


@writes(LeakyReLU)
def _leaky(out: Writer, call: Applied) -> tuple[list[str], str]:
    return [out.node("LeakyRelu", call.name, alpha=float(call.layer.negative_slope))], call.mask


@writes(ELU)
def _elu(out: Writer, call: Applied) -> tuple[list[str], str]:
    return [out.node("Elu", call.name, alpha=float(call.layer.alpha))], call.mask


@writes(PReLU)
def _prelu(out: Writer, call: Applied) -> tuple[list[str], str]:
    return [out.node("PRelu", call.name, out.weight(call.layer, call.layer.alpha))], call.mask


@writes(Softmax)
def _softmax(out: Writer, call: Applied) -> tuple[list[str], str]:
    axis = call.layer.axis
    if not isinstance(axis, int) and len(axis) != 1:
        raise ValueError(f"layer {call.layer.name!r}: softmax over several axes cannot be written as ONNX")
    if call.mask != NO_MASK:
        raise ValueError(f"layer {call.layer.name!r}: softmax of what a mask leaves cannot be written as ONNX")
    return [out.node("Softmax", call.name, axis=axis if isinstance(axis, int) else axis[0])], call.mask
