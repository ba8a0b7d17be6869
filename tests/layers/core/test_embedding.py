"""Embedding: real Keras, gradients, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import (
    agrees_with_keras,
    gradients_hold,
    normal,
)

from fastgru import layers
from fastgru.layers.workspace import Call

EMBEDDINGS = [
    {"input_dim": 7, "output_dim": 3},
    {"input_dim": 7, "output_dim": 3, "mask_zero": True, "embeddings_initializer": "he_normal"},
    {"input_dim": 7, "output_dim": 1, "embeddings_regularizer": "l2", "activity_regularizer": "l2",
     "embeddings_constraint": "unit_norm", "trainable": False},
]  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("options", EMBEDDINGS, ids=str)
@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32"])
@pytest.mark.parametrize("shape", [(4, 5), (6,), (2, 3, 4)])
def test_embedding_agrees_with_keras(keras, rng, options, dtype, shape):
    agrees_with_keras(keras, rng, "Embedding", options, rng.integers(0, 7, shape).astype(dtype))


@pytest.mark.parametrize("shape", [(4, 5), (50,), (2, 3, 4)])
def test_gradients_of_an_embedding(rng, shape):
    gradients_hold(layers.Embedding(7, 3, dtype="float64"), rng, rng.integers(0, 7, shape))


def test_the_gradient_of_an_embedding_adds_up_over_calls(rng):
    layer = layers.Embedding(50, 4, dtype="float64")
    layer.build()
    layer.embeddings.gradient = expected = np.zeros((50, 4))
    expected = expected.copy()
    for _ in range(2):
        x, dy = rng.integers(0, 50, (30, 8)), rng.normal(size=(30, 8, 4))
        call = Call(differentiate=True)
        layer.forward(call, x)
        layer.backward(call, dy)
        np.add.at(expected, x, dy)
    np.testing.assert_allclose(layer.embeddings.gradient, expected, atol=1e-12)


def test_embedding_takes_its_first_weights(rng):
    table = normal(rng, (4, 3))
    for weights in (table, [table]):
        np.testing.assert_array_equal(layers.Embedding(4, 3, weights=weights)([[1, 3]])[0], table[[1, 3]])


@pytest.mark.parametrize("make, x, message", [
    (lambda: layers.Embedding(5, 2), [[0, 5]], "indices from 0 to 4 .* got 5"),
    (lambda: layers.Embedding(5, 2), [[-1, 0]], "got -1"),
    (lambda: layers.Embedding(5, 2), [[0.5, 1]], "whole numbers, got 0.5"),
    (lambda: layers.Embedding(5, 2), [[np.nan, 1]], "whole numbers, got nan"),
    (lambda: layers.Embedding(0, 2), None, "`input_dim` must be a positive integer, got 0"),
    (lambda: layers.Embedding(5, 2.5), None, "`output_dim` must be a positive integer, got 2.5"),
    (lambda: layers.Embedding(5, 2, lora_rank=3), None, "lora_rank is not supported"),
    (lambda: layers.Embedding(5, 2, weights=np.ones((5, 3))), None, r"expected shape \(5, 2\), got \(5, 3\)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)


def test_the_older_argument_for_the_length_is_taken():
    assert layers.Embedding(3, 2, input_length=7).get_config().keys() >= {"input_dim", "mask_zero"}
