"""What the page needs to know of a model: its layers in plain words and their weights in base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from fastgru.activations.activation import KNOWN, Activation
from fastgru.layers import GRU, ActivityRegularization, Dense, Dropout, InputLayer, Layer
from fastgru.models import Sequential
from fastgru.types import Array

__all__ = ["ACTIVATIONS", "described"]

SIZES = (28, 8)  # of the images that the page knows how to draw: MNIST's and those of the package's digits
ACTIVATIONS = (
    "linear", "sigmoid", "hard_sigmoid", "hard_sigmoid_old", "tanh", "relu", "relu6", "leaky_relu", "elu", "selu",
    "softplus", "softsign", "silu",
)  # fmt: skip
ONLY_IN_TRAINING = (InputLayer, Dropout, ActivityRegularization)


def described(model: Any, name: str) -> dict[str, Any]:
    """The model as JSON for ``step.js``.

    Parameters
    ----------
    model : Sequential
        GRU layers, then Dense layers of which the last ends with softmax, over images whose rows are the time steps:
        28 of 28 numbers, or 8 of 8.
    name : str
        For the page and for error messages.

    Raises
    ------
    ValueError
        The page cannot run this model; says why.
    """
    if type(model) is not Sequential:
        raise _refused(name, f"is a {type(model).__name__}")
    if not model.built:
        raise _refused(name, "does not know the shape of its input")
    shape = model.input_shape
    size = shape[-1] if isinstance(shape, tuple) and len(shape) == 3 else None
    if size not in SIZES or shape[1] not in (size, None):
        raise _refused(name, f"takes {shape}")
    gru, dense = _layers(model, name)
    if not gru or not dense:
        raise _refused(name, f"has no {'Dense' if gru else 'GRU'} layer")
    if dense[-1].activation.name != "softmax" or dense[-1].units < 2:
        raise _refused(name, f"ends with {dense[-1].units} units and {dense[-1].activation.name!r}")
    return {
        "name": name,
        "size": size,
        "parameters": model.count_params(),
        "gru": [_gru(name, layer) for layer in gru],
        "dense": [_dense(name, layer, is_last=layer is dense[-1]) for layer in dense],
    }


def _layers(model: Sequential, name: str) -> tuple[list[GRU], list[Dense]]:
    gru: list[GRU] = []
    dense: list[Dense] = []
    for layer in model.layers:
        if type(layer) is GRU and not dense:
            if layer.go_backwards:
                raise _refused(name, f"has the layer {layer.name!r}, which reads backwards")
            gru.append(layer)
        elif type(layer) is Dense:
            dense.append(layer)
        elif not isinstance(layer, ONLY_IN_TRAINING):
            raise _refused(name, f"has the layer {layer.name!r}, a {type(layer).__name__}, at that place")
    return gru, dense


def _refused(name: str, what: str) -> ValueError:
    return ValueError(
        f"{name}: {what}; the playground runs Sequential models of GRU layers, then Dense layers ending with softmax, "
        "over 28x28 or 8x8 images, and without MODEL its own."
    )


def _gru(name: str, layer: GRU) -> dict[str, Any]:
    bias = np.zeros((2, 3 * layer.units), np.float32)
    if layer.bias is not None:
        bias[: 2 if layer.reset_after else 1] = layer.bias.value
    return {
        "name": layer.name,
        "units": layer.units,
        "activation": _activation(name, layer, layer.activation),
        "recurrentActivation": _activation(name, layer, layer.recurrent_activation),
        "resetAfter": layer.reset_after,
        "kernel": _text(layer.kernel.value),
        "recurrentKernel": _text(layer.recurrent_kernel.value),
        "inputBias": _text(bias[0]),
        "recurrentBias": _text(bias[1]),
    }


def _dense(name: str, layer: Dense, is_last: bool) -> dict[str, Any]:
    bias = np.zeros(layer.units, np.float32) if layer.bias is None else layer.bias.value
    activation = "softmax" if is_last else _activation(name, layer, layer.activation)
    return {"units": layer.units, "activation": activation, "kernel": _text(layer.kernel.value), "bias": _text(bias)}


def _activation(name: str, layer: Layer, activation: Activation) -> str:
    known = KNOWN.get(activation.name)
    if activation.name not in ACTIVATIONS or known is None or known.function is not activation.function:
        names = ", ".join(map(repr, ACTIVATIONS))
        raise ValueError(
            f"{name}: layer {layer.name!r} has the activation {activation.name!r}, and the playground knows {names}."
        )
    return activation.name


def _text(weight: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(weight, "<f4").tobytes()).decode()
