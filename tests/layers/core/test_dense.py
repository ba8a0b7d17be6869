"""Dense against real Keras."""

from __future__ import annotations

import pytest
from layer_checks import agrees_with_keras, normal


@pytest.mark.keras
@pytest.mark.parametrize("activation", [None, "relu", "softmax", "sigmoid", "gelu", "leaky_relu"])
@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 3)], ids=str)
def test_dense_agrees_with_keras(shape, activation, keras, rng):
    agrees_with_keras(keras, rng, "Dense", {"units": 8, "activation": activation}, normal(rng, shape))
