"""Identity gives its inputs, as in Keras."""

from __future__ import annotations

import pytest
from layer_checks import (
    agrees_with_keras,
    gradients_hold,
    labelled,
    normal,
)

from fastgru import layers

SEQUENCES, IMAGES = (3, 7, 4), (2, 6, 5, 4)
CASES = [
    ("Identity", {}, SEQUENCES),
]  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape))


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))
