"""Sessions: step by step is the whole sequence at once, and ids, snapshots and capacities are what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru import Sequential, config
from fastgru.layers import (
    GRU,
    LSTM,
    RNN,
    Conv1D,
    Dense,
    Embedding,
    GRUCell,
    Input,
    LayerNormalization,
    LSTMCell,
    Masking,
    SimpleRNN,
)
from fastgru.streaming import Sessions

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def tiles() -> Any:
    config.set_products("tiles")
    yield
    config.set_products(None)


def with_weights(model: Any) -> Any:
    """The model with random weights, different for each gate."""
    for weight in model.weights:
        weight.assign(RNG.normal(size=weight.shape) * 0.4)
    return model


def model_of(*layers: Any, features: int = 5) -> Any:
    return with_weights(Sequential([Input((None, features)), *layers]))


ROWS: dict[str, list[Any]] = {
    "gru": [lambda: GRU(8), lambda: Dense(3, activation="softmax")],
    "gru before": [lambda: GRU(8, reset_after=False, return_sequences=True), lambda: Dense(3)],
    "stacked": [lambda: LSTM(6, return_sequences=True), lambda: GRU(7), lambda: Dense(2)],
    "simple": [lambda: SimpleRNN(6, return_sequences=True), lambda: SimpleRNN(3)],
    "cells": [lambda: RNN([GRUCell(4), LSTMCell(6)]), lambda: Dense(1)],
    "causal": [lambda: Conv1D(7, 3, padding="causal", dilation_rate=2, activation="relu"), lambda: GRU(5)],
    "masking": [lambda: Masking(), lambda: LSTM(4, return_sequences=True), lambda: GRU(3)],
    "normalized": [lambda: GRU(6, return_sequences=True), lambda: LayerNormalization(), lambda: Dense(2)],
}


@pytest.mark.parametrize("row", ROWS)
def test_each_step_answers_what_the_model_answers_to_the_steps_so_far(row: str) -> None:
    model = model_of(*(layer() for layer in ROWS[row]))
    x = RNG.normal(size=(4, 9, 5)).astype("float32")
    x[1, 0] = x[2, 4] = x[3, 8] = 0
    sessions = Sessions(model, 6)
    ids = np.array([sessions.open() for _ in range(4)])
    answers = [sessions.step(ids[::-1], x[::-1, 0])[::-1][:, None], sessions.step(ids, x[:, 1:5])]
    answers += [np.concatenate([sessions.step([ids[row]], x[row : row + 1, 5:]) for row in range(4)])]
    expected = np.stack([prefix if prefix.ndim == 2 else prefix[:, -1] for prefix in prefixes(model, x)], axis=1)
    np.testing.assert_allclose(np.concatenate(answers, axis=1), expected, atol=1e-6)


def prefixes(model: Any, x: Any) -> list[Any]:
    return [model.predict(x[:, :stop], verbose=0) for stop in range(1, x.shape[1] + 1)]


def test_word_ids_come_without_features() -> None:
    model = with_weights(Sequential([Input((None,)), Embedding(9, 4, mask_zero=True), GRU(5), Dense(2)]))
    words = RNG.integers(0, 9, (3, 6))
    sessions = Sessions(model, 3)
    ids = [sessions.open() for _ in range(3)]
    answers = np.stack([sessions.step(ids, words[:, step]) for step in range(6)], axis=1)
    np.testing.assert_allclose(answers, np.stack(prefixes(model, words), axis=1), atol=1e-6)
    sessions.reset(ids)
    np.testing.assert_allclose(sessions.step(ids, words), answers, atol=1e-6)
