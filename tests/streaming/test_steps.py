"""Step by step is the whole sequence at once, to the bit: every split of the steps, any order, one thread or two."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from stream_models import answers_so_far, assert_every_split_gives, opened, row_of, with_weights

from fastgru import Model, config, ops, threads
from fastgru.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    BatchNormalization,
    Bidirectional,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    GRUCell,
    Input,
    LayerNormalization,
    LSTMCell,
    Masking,
    PReLU,
    RepeatVector,
    Rescaling,
    Reshape,
    RMSNormalization,
    SimpleRNN,
    Softmax,
    TimeDistributed,
    UnitNormalization,
)
from fastgru.streaming import Sessions

STEPS, ROWS = 5, 4
RNG = np.random.default_rng(9)


@pytest.fixture(autouse=True)
def tiles() -> Iterator[None]:
    """How `predict` multiplies; sessions do so whatever is chosen."""
    config.set_products("tiles")
    yield
    config.set_products(None)


def operations(x: Any) -> Any:
    h = GRU(9, return_sequences=True)(ops.exp(ops.tanh(x) * 2) - ops.sin(x))
    h = ops.gelu(h) + ops.sigmoid(h) ** 1.5 + ops.log(ops.absolute(h) + 1) / ops.sqrt(ops.square(h) + 2)
    return x, ops.softplus(h)[:, -1]


MODELS: dict[str, Any] = {
    "GRU": lambda: row_of(GRU(17), Dense(3, activation="softmax")),
    "GRU, reset before": lambda: row_of(GRU(33, reset_after=False), Dense(30, activation="relu")),
    "GRU, all steps": lambda: row_of(GRU(8, return_sequences=True), Dense(2)),
    "LSTM": lambda: row_of(LSTM(9, return_sequences=True), LSTM(20), Dense(2)),
    "SimpleRNN": lambda: row_of(SimpleRNN(64, return_sequences=True), SimpleRNN(13)),
    "cells": lambda: row_of(RNN([GRUCell(4), LSTMCell(6)]), Dense(1)),
    "stacked": lambda: row_of(GRU(64, return_sequences=True), Dropout(0.5), GRU(64), Dense(3)),
    "Conv1D": lambda: row_of(Conv1D(7, 3, padding="causal", dilation_rate=2, activation="tanh"), GRU(6)),
    "Conv1D in groups": lambda: row_of(Conv1D(10, 4, padding="causal", groups=5), GRU(6)),
    "two Conv1D": lambda: row_of(Conv1D(6, 2, padding="causal"), Conv1D(4, 3, padding="causal"), Dense(2)),
    "Masking": lambda: row_of(Masking(), GRU(8, return_sequences=True), LSTM(4)),
    "Masking with zeros": lambda: row_of(Masking(), GRU(8, zero_output_for_mask=True, return_sequences=True), Dense(2)),
    "Masking, zero at the end": lambda: row_of(Masking(), GRU(8, zero_output_for_mask=True), Dense(2)),
    "Embedding": lambda: row_of(Embedding(9, 7, mask_zero=True), GRU(8), Dense(2), shape=(None,)),
    "Embedding alone": lambda: row_of(Embedding(9, 7), LSTM(8), Dense(2), shape=(None,)),
    "normalized": lambda: row_of(BatchNormalization(), GRU(6, return_sequences=True), LayerNormalization(), Dense(2)),
    "unit length": lambda: row_of(Dense(19), UnitNormalization(), GRU(6), UnitNormalization()),
    "RMSNormalization": lambda: row_of(
        Dense(19), RMSNormalization(), GRU(6, return_sequences=True), RMSNormalization()
    ),
    "activations": lambda: row_of(Dense(9), PReLU(shared_axes=[1]), Softmax(), GRU(6), Activation("gelu"), Dense(2)),
    "TimeDistributed": lambda: row_of(TimeDistributed(Dense(9, activation="elu")), GaussianNoise(1), LSTM(6)),
    "Rescaling": lambda: row_of(Rescaling(0.5, 1), SimpleRNN(6, return_sequences=True), TimeDistributed(Dense(3))),
    "operations": lambda: with_weights(Model(*operations(Input((None, 5))))),
    "a decoder": lambda: row_of(GRU(8), RepeatVector(3), GRU(5, return_sequences=True), TimeDistributed(Dense(3))),
    "Bidirectional behind": lambda: row_of(GRU(8), Reshape((2, 4)), Bidirectional(LSTM(5)), Dense(2)),
}


def inputs_of(model: Any) -> Any:
    if len(model.input_shape) == 2:
        return RNG.integers(0, 9, (ROWS, STEPS))
    x = RNG.normal(size=(ROWS, STEPS, 5)).astype("float32")
    x[0, 0] = x[1, 2] = x[2, -1] = 0
    return x


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", MODELS)
def test_every_split_of_the_steps_gives_the_same_bits(kind: str, count: int) -> None:
    model = MODELS[kind]()
    x = inputs_of(model)
    with threads.limited_to(count):
        assert_every_split_gives(answers_so_far(model, x), model, x, RNG)


def test_sessions_multiply_by_tiles_whatever_is_chosen() -> None:
    model = MODELS["stacked"]()
    x = inputs_of(model)
    sessions = Sessions(model, ROWS)
    expected = sessions.step(opened(sessions, ROWS), x)
    config.set_products("blas")
    other = Sessions(model, ROWS)
    np.testing.assert_array_equal(other.step(opened(other, ROWS), x), expected)
    assert not config.multiplies_with_tiles()


@pytest.mark.parametrize("dtypes", [*product(("float32", "float64"), repeat=3)], ids="-".join)
def test_layers_of_either_dtype_keep_their_bits(dtypes: Any) -> None:
    of_input, low, high = dtypes
    entry = Input((None, 5), dtype=of_input)
    model = with_weights(Model(entry, GRU(9, dtype=high)(LSTM(7, return_sequences=True, dtype=low)(entry))))
    x = RNG.normal(size=(ROWS, STEPS, 5)).astype(of_input)
    expected = answers_so_far(model, x)
    sessions = Sessions(model, ROWS)
    ids = opened(sessions, ROWS)
    for step in range(STEPS):
        np.testing.assert_array_equal(sessions.step(ids, x[:, step]), expected[:, step])
