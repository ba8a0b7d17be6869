"""Padding, cropping and repeating of images and steps: real Keras, central differences, bad input."""

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
    ("UpSampling1D", {"size": 3}, SEQUENCES),
    ("UpSampling2D", {"size": (2, 3)}, IMAGES),
    ("UpSampling2D", {"size": 2, **FIRST}, IMAGES),
    ("UpSampling2D", {"size": (2, 3), "interpolation": "bilinear"}, IMAGES),
    ("UpSampling2D", {"size": (3, 1), "interpolation": "bicubic", **FIRST}, IMAGES),
    ("UpSampling2D", {"size": 2, "interpolation": "lanczos3"}, IMAGES),
    ("UpSampling2D", {"size": 2, "interpolation": "lanczos5"}, IMAGES),
    ("ZeroPadding2D", {"padding": 2}, IMAGES),
    ("ZeroPadding2D", {"padding": (1, 2), **FIRST}, IMAGES),
    ("ZeroPadding2D", {"padding": ((1, 0), (0, 2))}, IMAGES),
    ("Cropping2D", {"cropping": 1}, IMAGES),
    ("Cropping2D", {"cropping": ((1, 0), (0, 2)), **FIRST}, IMAGES),
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
    (lambda: layers.Cropping2D(3), np.ones(IMAGES), "leaves nothing"),
    (lambda: layers.UpSampling2D(2, interpolation="linear"), np.ones(IMAGES), "interpolation must be one of nearest"),
    (lambda: layers.ZeroPadding2D((1, 2, 3)), np.ones(IMAGES), "expected a number, two, or two pairs"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)
