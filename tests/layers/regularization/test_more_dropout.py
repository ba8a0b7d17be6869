"""Dropout of channels and of SELU activations, and penalties of outputs."""

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
from fastgru.layers.workspace import Call

SEQUENCES, IMAGES = (3, 7, 4), (2, 6, 5, 4)
FIRST = {"data_format": "channels_first"}
CASES = [
    ("SpatialDropout2D", {"rate": 0.3}, IMAGES),
    ("SpatialDropout2D", {"rate": 0.3, **FIRST}, IMAGES),
    ("AlphaDropout", {"rate": 0.3, "noise_shape": (3, 1, 4)}, SEQUENCES),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, SEQUENCES),
]  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape))


@pytest.mark.parametrize("name, options, shape", labelled(case for case in CASES if "noise_shape" not in case[1]))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


def test_a_dropped_channel_is_dropped_in_the_whole_image():
    y = layers.SpatialDropout2D(0.5, seed=1).forward(Call(training=True), np.ones((20, 3, 4, 30), "float32"))
    assert {*np.unique(y)} == {0, 2}
    assert (y == y[:, :1, :1]).all()


def test_alpha_dropout_keeps_mean_and_variance(rng):
    x = rng.normal(size=(400, 500)).astype("float32")
    layer, call = layers.AlphaDropout(0.3, seed=1), Call(training=True)
    y = layer.forward(call, x)
    assert abs(y.mean()) < 0.01 and abs(y.var() - 1) < 0.02
    dropped = layer.backward(call, np.ones_like(x)) == 0
    assert abs(dropped.mean() - 0.3) < 0.01 and len(np.unique(y[dropped])) == 1
