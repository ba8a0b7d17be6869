"""Layers that normalize: real Keras, central differences, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import (
    agrees_with_keras,
    gradients_hold,
    labelled,
    mask_with_gaps,
    normal,
)

from fastgru import layers

SEQUENCES, IMAGES, ROWS = (4, 6, 5), (2, 3, 4, 5), (7, 5)
EVERY_OPTION = {f"{name}_initializer": "he_normal" for name in ("gamma", "beta")} | {
    "gamma_regularizer": "l2",
    "beta_regularizer": "l2",
    "gamma_constraint": "non_neg",
    "beta_constraint": "max_norm",
    "trainable": False,
}
CASES = [
    *(("BatchNormalization", {"axis": axis}, IMAGES) for axis in (-1, 1, 2)),
    ("BatchNormalization", {}, ROWS),
    ("BatchNormalization", {"epsilon": 1e-5, "momentum": 0.9, "center": False}, SEQUENCES),
    ("BatchNormalization", {"scale": False}, SEQUENCES),
    ("BatchNormalization", {"scale": False, "center": False}, SEQUENCES),
    ("BatchNormalization", {**EVERY_OPTION, "moving_mean_initializer": "ones"}, SEQUENCES),
    *(("LayerNormalization", {"axis": axis}, IMAGES) for axis in (-1, 1, [-1], [1, 2, 3], [3, 1], [-2, -1])),
    ("LayerNormalization", {}, ROWS),
    ("LayerNormalization", {"epsilon": 1e-5, "center": False}, SEQUENCES),
    ("LayerNormalization", {"scale": False}, SEQUENCES),
    ("LayerNormalization", {"scale": False, "center": False}, SEQUENCES),
    ("LayerNormalization", {"rms_scaling": True}, SEQUENCES),
    ("LayerNormalization", {"rms_scaling": True, "axis": [1]}, SEQUENCES),
    ("LayerNormalization", EVERY_OPTION, SEQUENCES),
]
MASKED = [
    ("BatchNormalization", {}),
    ("LayerNormalization", {}),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling")
@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape))


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling")
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_normalization_in_training_agrees_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape), training=name == "BatchNormalization")


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:.*does not support mask")
@pytest.mark.parametrize("name, options", labelled(MASKED))
def test_masks_go_on_or_end_as_in_keras(keras, rng, name, options):
    agrees_with_keras(keras, rng, name, options, normal(rng, SEQUENCES), masks=[mask_with_gaps(rng, SEQUENCES[:2])])


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


@pytest.mark.parametrize("make, x, message", [
    (lambda: layers.BatchNormalization(axis=3), np.ones((3, 6)), "has no axis 3"),
    (lambda: layers.BatchNormalization(axis=[1, 2]), None, "axis must be an integer"),
    (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"r": 1}), None, "Received invalid keys for"),
    (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"rmax": 0, "rmin": 1}), None, "rmax should be"),
    (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"dmax": -1}), None, "dmax should be non-negative"),
    (lambda: layers.LayerNormalization(axis=[1, -4]), np.ones((3, 6)), "has no axis -4"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)


@pytest.mark.parametrize("layer", [layers.BatchNormalization(), layers.LayerNormalization()])
def test_a_built_layer_refuses_another_number_of_features(layer):
    layer(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"\(2, 4\)"):
        layer(np.ones((2, 4)))
    with pytest.raises(ValueError, match="must be known"):
        type(layer)().build((None, None))
