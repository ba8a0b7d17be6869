"""Layers that are an activation: real Keras, central differences, bad input."""

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
CASES = [
    *(("ReLU", options, SEQUENCES) for options in (
        {}, {"max_value": 1.0}, {"max_value": 6}, {"negative_slope": 0.2}, {"threshold": 0.5},
        {"max_value": 1.5, "negative_slope": 0.3, "threshold": 0.7},
    )),
    ("ReLU", {"max_value": 0.0, "negative_slope": 0.5}, SEQUENCES),
    ("LeakyReLU", {}, SEQUENCES),
    ("LeakyReLU", {"negative_slope": 0.05}, ROWS),
    ("ELU", {}, SEQUENCES),
    ("ELU", {"alpha": 0.4}, SEQUENCES),
    *(("Softmax", {"axis": axis}, SEQUENCES) for axis in (-1, 1, [-1], [1], [1, 2])),
    ("PReLU", {}, SEQUENCES),
    ("PReLU", {"shared_axes": [1]}, SEQUENCES),
    ("PReLU", {"shared_axes": [1, 2], "alpha_initializer": "he_normal", "alpha_regularizer": "l2",
               "alpha_constraint": "non_neg"}, IMAGES),
    ("PReLU", {"shared_axes": 2}, SEQUENCES),
]  # fmt: skip
MASKED = [
    ("ReLU", {"negative_slope": 0.1}),
    ("LeakyReLU", {}),
    ("PReLU", {}),
    ("ELU", {}),
]  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape))


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:.*does not support mask")
@pytest.mark.parametrize("name, options", labelled(MASKED))
def test_masks_go_on_or_end_as_in_keras(keras, rng, name, options):
    agrees_with_keras(keras, rng, name, options, normal(rng, SEQUENCES), masks=[mask_with_gaps(rng, SEQUENCES[:2])])


@pytest.mark.keras
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("mask_shape", [(6, 5), (4, 1, 5), (6, 1)])
def test_softmax_leaves_out_what_is_masked_as_in_keras(keras, rng, axis, mask_shape):
    mask, x = mask_with_gaps(rng, mask_shape), 3 * normal(rng, SEQUENCES)
    expected = keras.layers.Softmax(axis)(x, mask=mask)
    np.testing.assert_allclose(layers.Softmax(axis)(x, mask=mask), expected, atol=1e-6)


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


@pytest.mark.parametrize("axis", [-1, 1])
def test_gradients_of_a_masked_softmax(rng, axis):
    layer = layers.Softmax(axis, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=SEQUENCES), masks=[mask_with_gaps(rng, (6, 5))])


@pytest.mark.parametrize("make, x, message", [
    (lambda: layers.ReLU(max_value=-1), None, "max_value must be at least 0, got -1"),
    (lambda: layers.ReLU(threshold=None), None, "threshold must be at least 0, got None"),
    (lambda: layers.LeakyReLU(-1), None, "negative_slope must be at least 0, got -1"),
    (lambda: layers.PReLU(shared_axes=2), np.ones((3, 6)), "shared_axes must lie from 1 to 1"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)


def test_a_built_layer_refuses_another_number_of_features():
    layer = layers.PReLU()
    layer(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"\(2, 4\)"):
        layer(np.ones((2, 4)))
    with pytest.raises(ValueError, match="must be known"):
        layers.PReLU().build((None, None))


def test_a_mask_that_does_not_fit_softmax_is_refused():
    with pytest.raises(ValueError, match=r"broadcast to the input's shape \(2, 3, 4\), got \(2, 3\)"):
        layers.Softmax()(np.ones((2, 3, 4)), mask=np.ones((2, 3), bool))


def test_the_older_name_of_the_slope_is_taken():
    assert layers.LeakyReLU(alpha=0.2).negative_slope == 0.2


@pytest.mark.keras
@pytest.mark.parametrize("activation", ["relu", "softmax", "tanh", "mish"])
def test_activation_layer_agrees_with_keras(activation, keras, rng):
    x = rng.normal(size=(3, 4, 5)).astype("float32")
    np.testing.assert_allclose(
        layers.Activation(activation)(x), keras.layers.Activation(activation)(x), rtol=0, atol=1e-5
    )
