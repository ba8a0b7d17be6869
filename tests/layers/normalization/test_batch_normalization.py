"""The statistics of BatchNormalization: of a batch, and moving."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import (
    gradients_hold,
    mask_with_gaps,
    normal,
)

from fastgru import Sequential, layers

SEQUENCES = (4, 6, 5)


@pytest.mark.keras
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize("axis", [-1, 1])
def test_moving_statistics_are_those_of_keras(keras, rng, axis, masked):
    ours, theirs = (
        library.BatchNormalization(axis, momentum=0.8, moving_mean_initializer="ones")
        for library in (layers, keras.layers)
    )
    for _ in range(3):
        x, mask = 2 * normal(rng, SEQUENCES) + 3, mask_with_gaps(rng, SEQUENCES[:2]) if masked else None
        result, expected = (layer(x, mask=mask, training=True) for layer in (ours, theirs))
        np.testing.assert_allclose(result, expected, atol=2e-5)
    for weight, expected in zip(ours.weights, theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight.value, expected, rtol=1e-5)
    assert [weight.name for weight in ours.trainable_weights] == ["gamma", "beta"]


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"trainable": False}], ids=str)
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
def test_gradients_through_the_statistics_of_a_batch(rng, options, axis, masked):
    layer = layers.BatchNormalization(axis, **options, dtype="float64")
    masks = [mask_with_gaps(rng, SEQUENCES[:2])] if masked else []
    gradients_hold(layer, rng, rng.normal(size=SEQUENCES), masks=masks, training=True)


def test_a_frozen_batch_normalization_keeps_its_statistics(rng):
    layer = layers.BatchNormalization(trainable=False)
    x = normal(rng, SEQUENCES) + 5
    np.testing.assert_array_equal(layer(x, training=True), layer(x))
    assert layer.moving_mean.value.tolist() == [0] * 5


def test_a_model_learns_through_embedding_mask_and_normalization(rng):
    x = rng.integers(1, 20, (200, 12))
    x[np.arange(12) >= rng.integers(4, 13, 200)[:, None]] = 0
    y = (x == 3).any(axis=1).astype("float32")
    model = Sequential([
        layers.Embedding(20, 8, mask_zero=True, input_shape=(None,)), layers.SpatialDropout1D(0.1), layers.GRU(16),
        layers.BatchNormalization(), layers.Dense(8), layers.PReLU(), layers.Dense(1, activation="sigmoid"),
    ])  # fmt: skip
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=20, batch_size=20, verbose=0).history
    assert history["accuracy"][-1] > 0.9 > history["accuracy"][0]
    padded = np.concatenate([x, np.zeros((200, 5), int)], axis=1)
    np.testing.assert_allclose(model.predict(padded, verbose=0), model.predict(x, verbose=0), atol=1e-6)


def test_an_axis_in_a_list_is_taken():
    assert layers.BatchNormalization(axis=[2]).axis == 2
