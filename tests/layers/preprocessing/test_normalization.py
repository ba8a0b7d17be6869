"""Rescaling and Normalization: real Keras, central differences, bad input."""

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
    ("Rescaling", {"scale": 0.5, "offset": 1.0}, IMAGES),
    ("Normalization", {}, SEQUENCES),
    ("Normalization", {"axis": (1, 2), "invert": True}, SEQUENCES),
    ("Normalization", {"axis": None, "mean": 1.0, "variance": 2.0}, SEQUENCES),
    ("Normalization", {"axis": -1, "mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0, 2.0, 3.0, 4.0]}, SEQUENCES),
]  # fmt: skip
# Keras's Normalization uses new weights only where they come from a file or from data
FIXED = [case for case in CASES if case[0] != "Normalization" or "mean" in case[1]]


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(FIXED))
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape))


@pytest.mark.parametrize(("options", "shape"), [case[1:] for case in CASES if case[0] == "Normalization"])
@pytest.mark.keras
def test_normalization_uses_what_keras_measured(keras, rng, options, shape):
    x = rng.normal(3, 2, size=shape).astype("float32")
    theirs, ours = keras.layers.Normalization(**options), layers.Normalization(**options)
    if "mean" not in options:
        theirs.adapt(x)
    else:
        theirs.build(shape)
    ours.build(shape)
    ours.set_weights([np.asarray(weight) for weight in theirs.weights])
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), atol=1e-5)
    assert [weight.name for weight in ours.weights] == [weight.name for weight in theirs.weights]
    for key, value in theirs.get_config().items():
        assert key in ("name", "dtype") or ours.get_config()[key] == value


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


@pytest.mark.parametrize("make, x, message", [
    (lambda: layers.Normalization(mean=1.0), np.ones(SEQUENCES), "mean and variance, or neither"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)
