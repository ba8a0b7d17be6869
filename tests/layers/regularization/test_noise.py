"""Layers that draw: as Keras without training; what they draw, and its gradient."""

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
from fastgru.layers.workspace import Call

SEQUENCES, IMAGES, ROWS = (4, 6, 5), (2, 3, 4, 5), (7, 5)
CASES = [
    ("SpatialDropout1D", {"rate": 0.3}, SEQUENCES),
    ("SpatialDropout1D", {"rate": 0.3, "seed": 5}, SEQUENCES),
    ("GaussianNoise", {"stddev": 0.3, "seed": 5}, SEQUENCES),
    ("GaussianDropout", {"rate": 0.3}, ROWS),
]
MASKED = [
    ("SpatialDropout1D", {"rate": 0.3}),
    ("GaussianNoise", {"stddev": 0.3}),
    ("GaussianDropout", {"rate": 0.3}),
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


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


def test_spatial_dropout_drops_a_feature_at_all_steps_and_in_the_gradient_too():
    layer, x, call = layers.SpatialDropout1D(0.4, seed=1), np.ones((50, 7, 40), "float32"), Call(training=True)
    y = layer.forward(call, x)
    assert (y == y[:, :1]).all() and set(np.unique(y)) == {0, np.float32(1 / 0.6)}
    assert abs((y == 0).mean() - 0.4) < 0.03
    np.testing.assert_array_equal(layer.backward(call, x), y)


@pytest.mark.parametrize("layer, mean, deviation", [
    (layers.GaussianNoise(0.5, seed=1), 3, 0.5),
    (layers.GaussianDropout(0.2, seed=1), 3, 3 * 0.5),
])  # fmt: skip
def test_gaussian_noise_has_its_mean_and_deviation(layer, mean, deviation):
    x = np.full((100, 200), 3, "float32")
    y = layer(x, training=True)
    assert y.dtype == "float32" and abs(y.mean() - mean) < 0.05 and abs(y.std() - deviation) < 0.05
    np.testing.assert_array_equal(layer(x), x)


def test_the_gradient_of_gaussian_noise_is_that_of_the_noise_drawn():
    x, call = np.ones((3, 4), "float32"), Call(training=True)
    dropout, noise = layers.GaussianDropout(0.3), layers.GaussianNoise(0.3)
    np.testing.assert_array_equal(dropout.forward(call, x), dropout.backward(call, x))
    noise.forward(call, x)
    np.testing.assert_array_equal(noise.backward(call, 2 * x), 2 * x)


def test_a_seed_makes_the_noise_reproducible(rng):
    x = normal(rng, SEQUENCES)
    for make in (lambda: layers.GaussianNoise(0.3, seed=7), lambda: layers.SpatialDropout1D(0.3, seed=7)):
        first, again = make(), make()
        np.testing.assert_array_equal(first(x, training=True), again(x, training=True))
        assert (first(x, training=True) != first(x, training=True)).any()


@pytest.mark.parametrize("make, x, message", [
    (lambda: layers.SpatialDropout1D(0.3), np.ones((3, 6)), r"\(batch, timesteps, features\), got \(3, 6\)"),
    (lambda: layers.SpatialDropout1D(1.3), None, r"rate must lie in \[0, 1\]"),
    (lambda: layers.GaussianNoise(-1), None, r"stddev must lie in \[0, 1\]"),
    (lambda: layers.GaussianDropout(1), None, r"rate must lie in \[0, 1\)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)
