"""GroupNormalization and UnitNormalization: real Keras, central differences, bad input."""

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
CASES = [
    ("UnitNormalization", {}, SEQUENCES),
    ("UnitNormalization", {"axis": [1, 2]}, SEQUENCES),
    ("GroupNormalization", {"groups": 2}, SEQUENCES),
    ("GroupNormalization", {"groups": -1, "scale": False, "epsilon": 1e-5}, IMAGES),
    ("GroupNormalization", {"groups": 3, "axis": 1, "center": False}, IMAGES),
]  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape))


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


@pytest.mark.parametrize("make, x, message", [
    (lambda: layers.GroupNormalization(3), np.ones(SEQUENCES), "4 channels are no multiple of groups=3"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)
