"""BatchNormalization(renorm=True): real Keras in calls, in training and in files; gradients."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold, normal

import fastgru
from fastgru.layers import BatchNormalization

OPTIONS = [
    {},
    {"renorm_clipping": {"rmax": 1.5, "rmin": 0.7, "dmax": 0.4}, "renorm_momentum": 0.8},
    {"renorm_clipping": {"rmax": 1.1}, "scale": False, "axis": 1, "moving_variance_initializer": "zeros"},
    {"center": False, "momentum": 0.5},
]


@pytest.mark.keras
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_call_is_that_of_keras(keras, rng, options, training) -> None:
    agrees_with_keras(
        keras, rng, "BatchNormalization", {"renorm": True, **options}, normal(rng, (6, 4, 3)), training=training
    )


@pytest.mark.keras
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_training_goes_on_as_in_keras_from_files_of_either(keras, rng, tmp_path, options) -> None:
    layers = keras.layers
    rows = [layers.Input((4, 3)), layers.Dense(3), layers.BatchNormalization(renorm=True, **options), layers.Dense(1)]
    theirs = keras.Sequential(rows)
    # Adam would make steps of the rounding in the gradient of a bias before a normalization
    theirs.compile(keras.optimizers.SGD(0.05), "mse")
    theirs.save(tmp_path / "theirs.keras")
    ours = fastgru.models.load_model(tmp_path / "theirs.keras")
    x, y = 2 * normal(rng, (12, 4, 3)) + 1, normal(rng, (12, 4, 1))
    for _ in range(2):
        losses = [one.fit(x, y, 4, 4, verbose=0, shuffle=False).history["loss"] for one in (ours, theirs)]
        np.testing.assert_allclose(*losses, rtol=1e-5, atol=1e-5)
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
        ours.save(tmp_path / "ours.keras")
        theirs = keras.models.load_model(tmp_path / "ours.keras")


def test_its_gradients_are_those_of_its_outputs_where_the_constants_are_clipped_to_one_value(rng) -> None:
    clipping = {"rmax": 0.6, "rmin": 0.6, "dmax": 0.0}
    layer = BatchNormalization(renorm=True, renorm_clipping=clipping, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=(5, 4, 3)), training=True)


def test_statistics_begin_as_the_root_of_the_variance() -> None:
    layer = BatchNormalization(renorm=True, moving_variance_initializer=fastgru.initializers.Constant(4.0))
    layer.build((None, 5))
    for weight in (layer.moving_stddev, layer.renorm_stddev):
        np.testing.assert_array_equal(weight, 2)
    assert not hasattr(BatchNormalization(), "renorm_mean")
