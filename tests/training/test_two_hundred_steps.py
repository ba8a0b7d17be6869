"""Five architectures, trained 200 steps from the same weights, have the losses of real Keras in each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastgru

ROWS, STEPS, EPOCHS, BATCHES = 20, 7, 40, 5


def sequences(rng: np.random.Generator, features: int = 3) -> Any:
    return rng.normal(size=(ROWS, STEPS, features)).astype("float32")


def stacked(library: Any, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    layers, x = library.layers, sequences(rng)
    rows = [layers.Input((STEPS, 3)), layers.GRU(8, return_sequences=True), layers.GRU(6), layers.Dense(1)]
    return library.Sequential(rows), x, x[:, -1, :1] * x[:, 0, 1:2]


def masked_both_ways(library: Any, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    layers, words = library.layers, rng.integers(1, 20, (ROWS, STEPS))
    for row, length in enumerate(rng.integers(2, STEPS + 1, ROWS)):
        words[row, length:] = 0
    both = layers.Bidirectional(layers.LSTM(6))
    rows = [layers.Input((STEPS,)), layers.Embedding(20, 5, mask_zero=True), both, layers.Dense(3, "softmax")]
    return library.Sequential(rows), words, rng.integers(0, 3, ROWS)


def convolved(library: Any, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    layers, x = library.layers, sequences(rng)
    conv = layers.Conv1D(8, 3, padding="causal", activation="relu")
    rows = [layers.Input((STEPS, 3)), conv, layers.GRU(6), layers.Dense(4, "gelu"), layers.Dense(1, "sigmoid")]
    return library.Sequential(rows), x, (x.sum((1, 2)) > 0).astype("float32")[:, None]


def translated(library: Any, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    layers = library.layers
    source, target = layers.Input((STEPS, 3), name="source"), layers.Input((STEPS, 2), name="target")
    encoded, *states = layers.LSTM(6, return_sequences=True, return_state=True)(source)
    decoded = layers.LSTM(6, return_sequences=True)(target, initial_state=states)
    attended = layers.Attention()([decoded, encoded])
    scores = layers.Dense(5, "softmax")(layers.Concatenate()([decoded, attended]))
    inputs = [sequences(rng), sequences(rng, 2)]
    return library.Model([source, target], scores), inputs, rng.integers(0, 5, (ROWS, STEPS))


def normalized(library: Any, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    layers, x = library.layers, sequences(rng)
    rows = [layers.Input((STEPS, 3)), layers.BatchNormalization(momentum=0.9), layers.SimpleRNN(8)]
    return library.Sequential([*rows, layers.LayerNormalization(), layers.Dense(2)]), 3 * x + 1, x.mean(1)[:, :2]


Architecture = Callable[[Any, np.random.Generator], tuple[Any, Any, Any]]
LOSSES: dict[Architecture, str] = {
    stacked: "mse",
    masked_both_ways: "sparse_categorical_crossentropy",
    convolved: "binary_crossentropy",
    translated: "sparse_categorical_crossentropy",
    normalized: "huber",
}


@pytest.mark.keras
@pytest.mark.parametrize("architecture", LOSSES, ids=lambda one: one.__name__)
def test_the_losses_of_200_steps_are_those_of_keras(keras: Any, architecture: Architecture) -> None:
    losses, first, rest = [], None, []
    for library in (keras, fastgru):
        model, x, y = architecture(library, np.random.default_rng(7))
        if first is None:
            first = model.get_weights()
        model.set_weights(first)
        model.compile(library.optimizers.Adam(0.005), LOSSES[architecture])
        history = model.fit(x, y, batch_size=ROWS // BATCHES, epochs=EPOCHS, shuffle=False, verbose=0).history
        losses.append(history["loss"])
        rest.append((model.predict(x, verbose=0), model.evaluate(x, y, verbose=0)))
    theirs, ours = losses
    assert theirs[-1] < 0.8 * theirs[0]  # there was something to learn
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)
    for one, other in zip(*rest, strict=True):
        np.testing.assert_allclose(one, other, atol=5e-3)
