"""Sessions beside real Keras: a stateful model of its own, one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stream_models import opened, with_weights

import fastgru
from fastgru.streaming import Sessions

pytestmark = pytest.mark.keras
RNG = np.random.default_rng(11)
USERS, STEPS = 3, 6


def layers_of(library: Any, **options: Any) -> list[Any]:
    layers = library.layers
    return [
        layers.Conv1D(6, 1, activation="relu"),
        layers.GRU(7, return_sequences=True, **options),
        layers.LayerNormalization(),
        layers.LSTM(5, return_sequences=True, **options),
        layers.SimpleRNN(4, **options),
        layers.Dense(2),
    ]


def test_a_step_of_each_user_is_a_step_of_keras_stateful_model(keras: Any) -> None:
    model = with_weights(fastgru.Sequential([fastgru.Input((None, 5)), *layers_of(fastgru)]))
    batch = keras.Input(batch_shape=(USERS, 1, 5))
    stateful = keras.Sequential([batch, *layers_of(keras, stateful=True)])
    stateful.set_weights(model.get_weights())
    sessions = Sessions(model, USERS)
    ids = opened(sessions, USERS)
    for _ in range(STEPS):
        x = RNG.normal(size=(USERS, 5)).astype("float32")
        expected = np.asarray(stateful(x[:, None]))  # its predict on JAX does not keep the states
        np.testing.assert_allclose(sessions.step(ids[::-1], x[::-1])[::-1], expected, atol=1e-5)


def test_a_masked_step_answers_as_keras_does(keras: Any) -> None:
    def rows(library: Any) -> Any:
        layers = library.layers
        return library.Sequential(
            [library.Input((None,)), layers.Embedding(6, 4, mask_zero=True), layers.GRU(5), layers.Dense(2)]
        )

    model, original = with_weights(rows(fastgru)), rows(keras)
    original.set_weights(model.get_weights())
    words = RNG.integers(0, 6, (USERS, STEPS))
    words[0, :2], words[1, 2:4], words[2, -2:] = 0, 0, 0
    sessions = Sessions(model, USERS)
    ids = opened(sessions, USERS)
    for step in range(STEPS):
        expected = original.predict(words[:, : step + 1], verbose=0)
        np.testing.assert_allclose(sessions.step(ids, words[:, step]), expected, atol=1e-5)


def test_a_causal_convolution_is_that_of_keras(keras: Any) -> None:
    def rows(library: Any) -> Any:
        layers = library.layers
        causal = layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="tanh")
        return library.Sequential([library.Input((None, 5)), causal, layers.GRU(4), layers.Dense(2)])

    model, original = with_weights(rows(fastgru)), rows(keras)
    original.set_weights(model.get_weights())
    x = RNG.normal(size=(USERS, STEPS, 5)).astype("float32")
    sessions = Sessions(model, USERS)
    answers = sessions.step(opened(sessions, USERS), x)
    for step in range(STEPS):
        np.testing.assert_allclose(answers[:, step], original.predict(x[:, : step + 1], verbose=0), atol=1e-5)
