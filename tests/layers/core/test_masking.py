"""Masking: real Keras, its gradient, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import (
    agrees_with_keras,
    mask_with_gaps,
    normal,
)

from fastgru import layers
from fastgru.layers.workspace import Call

SEQUENCES = (4, 6, 5)


@pytest.mark.keras
@pytest.mark.parametrize("mask_value", [0.0, -1, 0.1])
def test_masking_agrees_with_keras(keras, rng, mask_value):
    x = normal(rng, SEQUENCES)
    x[mask_with_gaps(rng, SEQUENCES[:2])] = mask_value
    x[1, 1, :4] = mask_value  # all features but one
    agrees_with_keras(keras, rng, "Masking", {"mask_value": mask_value}, x)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:.*does not support mask")
@pytest.mark.parametrize("name, options", [("Masking", {"mask_value": 0.0})])
def test_masks_go_on_or_end_as_in_keras(keras, rng, name, options):
    agrees_with_keras(keras, rng, name, options, normal(rng, SEQUENCES), masks=[mask_with_gaps(rng, SEQUENCES[:2])])


def test_gradients_of_masking(rng):
    x = rng.normal(size=SEQUENCES)
    x[mask_with_gaps(rng, SEQUENCES[:2])] = 3
    layer = layers.Masking(3, dtype="float64")
    call = Call(differentiate=True)
    layer.forward(call, x)
    dy = rng.normal(size=SEQUENCES)
    np.testing.assert_array_equal(layer.backward(call, dy), dy * layer.outgoing_mask(call, x)[..., None])


@pytest.mark.parametrize("make, x, message", [
    (lambda: layers.Masking("nothing"), None, "mask_value must be a number, got 'nothing'"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)


def test_a_number_of_numpy_in_a_config_is_taken():
    number = {"class_name": "__numpy__", "config": {"value": -1.0, "dtype": "float32"}}
    assert layers.Masking(number).mask_value == -1
