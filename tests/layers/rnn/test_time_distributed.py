"""`TimeDistributed`: against real Keras, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest
from cells import STEPS, random_input, random_mask
from layer_checks import agrees_with_keras, gradients_hold

from fastgru import layers
from fastgru.models import Sequential


@pytest.mark.keras
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda library: library.Dense(4, activation="relu", name="inner"), (3, 5, 2)),
        (lambda library: library.Dense(4, name="inner"), (3, 5, 6, 2)),
        (lambda library: library.Dropout(0.4, name="inner"), (3, 5, 2)),
        (lambda library: library.GRU(4, return_sequences=True, name="inner"), (3, 5, 6, 2)),
        (lambda library: library.Bidirectional(library.GRU(4, name="twice"), name="inner"), (3, 5, 6, 2)),
    ],
    ids=["Dense", "Dense on 4 axes", "Dropout", "GRU", "Bidirectional"],
)
def test_time_distributed_agrees_with_keras(make, shape, masked, keras, rng):
    x = rng.normal(size=shape).astype("float32")
    # Keras gives the inner layer one step of the mask, which a recurrent one cannot read
    masks = [random_mask(rng)] if masked and len(shape) == 3 else None
    agrees_with_keras(keras, rng, "TimeDistributed", lambda library: {"layer": make(library)}, x, masks=masks)


def test_time_distributed_is_its_layer_at_every_step(rng):
    inner = Sequential([layers.Dense(4, activation="tanh", dtype="float64"), layers.Dense(3, dtype="float64")])
    layer = layers.TimeDistributed(inner)
    x = random_input(rng, "float64")
    result = layer(x)
    for step in range(STEPS):
        np.testing.assert_allclose(result[:, step], inner(x[:, step]), rtol=1e-12)
    assert type(layer).from_config(layer.get_config()).layer.count_params() == inner.count_params()


@pytest.mark.parametrize(
    "inner, shape",
    [
        (layers.Dense(4, activation="tanh", activity_regularizer="l2", dtype="float64"), (3, 5, 2)),
        (layers.GRU(3, dtype="float64"), (2, 3, 4, 2)),
        (
            Sequential(
                [
                    layers.Dense(3, activity_regularizer="l2", dtype="float64"),
                    layers.Activation("tanh", dtype="float64"),
                ]
            ),
            (3, 5, 2),
        ),
    ],
    ids=["Dense", "GRU", "Sequential"],
)
def test_gradients_of_time_distributed(inner, shape, rng):
    gradients_hold(layers.TimeDistributed(inner), rng, rng.normal(size=shape))


def test_time_distributed_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="expected a layer"):
        layers.TimeDistributed("dense")
    with pytest.raises(ValueError, match=r"\(batch, timesteps, \.\.\.\)"):
        layers.TimeDistributed(layers.Dense(3))(np.ones((4, 5)))
    with pytest.raises(ValueError, match="one output"):
        layers.TimeDistributed(layers.GRU(3, return_state=True))(np.ones((2, 3, 4, 5)))
