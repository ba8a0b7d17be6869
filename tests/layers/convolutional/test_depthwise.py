"""Depthwise and separable convolutions: real Keras, central differences."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import (
    agrees_with_keras,
    gradients_hold,
    labelled,
    normal,
)

from fastgru import layers

SEQUENCES, IMAGES = (3, 7, 4), (2, 6, 5, 4)
FIRST = {"data_format": "channels_first"}
CASES = [
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "activation": "relu"}, SEQUENCES),
    ("DepthwiseConv2D", {"kernel_size": (3, 2), "padding": "same", "strides": 2}, IMAGES),
    ("SeparableConv1D", {"filters": 5, "kernel_size": 3, "padding": "same", "activation": "tanh"}, SEQUENCES),
    ("SeparableConv1D", {"filters": 5, "kernel_size": 2, "dilation_rate": 2, "depth_multiplier": 3}, SEQUENCES),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 3, "use_bias": False}, IMAGES),
]  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape))


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


@pytest.mark.parametrize("name", ["DepthwiseConv2D", "SeparableConv2D"])
def test_channels_may_come_first(rng, name):
    options = {"kernel_size": 3, "padding": "same", **({"filters": 2} if name == "SeparableConv2D" else {})}
    last, first = getattr(layers, name)(**options), getattr(layers, name)(**options, **FIRST)
    x = rng.normal(size=IMAGES).astype("float32")
    y = last(x)
    first.build((2, 4, 6, 5))
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(first(np.moveaxis(x, -1, 1)), np.moveaxis(y, -1, 1), atol=1e-6)
    gradients_hold(getattr(layers, name)(**options, **FIRST, dtype="float64"), rng, rng.normal(size=(2, 3, 4, 4)))
