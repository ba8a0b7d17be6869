"""Stateful models beside real Keras, whose eager calls keep the states on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import optimizers

pytestmark = pytest.mark.keras

ROWS, STEPS, FEATURES = 2, 2, 4
STACKS: dict[str, Callable[[Any], list[Any]]] = {
    "layers": lambda k: [
        k.GRU(4, return_sequences=True, stateful=True),
        k.LSTM(4, return_sequences=True, stateful=True, go_backwards=True),
        k.SimpleRNN(4, return_sequences=True, stateful=True),
    ],
    "both ways": lambda k: [
        k.Bidirectional(k.LSTM(2, return_sequences=True, stateful=True)),
        k.GRU(4, return_sequences=True, stateful=True),
    ],
    "cells": lambda k: [
        k.RNN([k.GRUCell(3), k.LSTMCell(4)], return_sequences=True, stateful=True),
        k.RNN(k.SimpleRNNCell(4), return_sequences=True, stateful=True),
    ],
    "convolutional": lambda k: [
        k.Reshape((STEPS, FEATURES, 1)),
        k.ConvLSTM1D(1, 3, padding="same", return_sequences=True, stateful=True),
        k.Reshape((STEPS, FEATURES)),
        k.GRU(4, return_sequences=True, stateful=True),
    ],
}


def pair(keras: Any, stack: Callable[[Any], list[Any]], rng: np.random.Generator) -> tuple[Any, Any]:
    """A model of ours and the same of Keras's."""
    ours, theirs = (
        library.Sequential([library.Input(batch_shape=(ROWS, STEPS, FEATURES)), *stack(library.layers)])
        for library in (fastgru, keras)
    )
    weights = [rng.normal(size=weight.shape) for weight in ours.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def states_of(model: Any) -> list[Any]:
    nested = [getattr(layer, "states", None) for layer in model.layers]
    return [np.asarray(state) for state in flat(nested) if state is not None]


def flat(nested: Any) -> list[Any]:
    return [leaf for one in nested for leaf in flat(one)] if isinstance(nested, (list, tuple)) else [nested]


def agree(ours: Any, theirs: Any) -> None:
    for one, other in zip(states_of(ours), states_of(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_fit_validation_predict_and_evaluate_go_on_from_each_other(stack: Any, keras: Any, rng: Any) -> None:
    ours, theirs = pair(keras, stack, rng)
    ours.compile(optimizers.SGD(0.0), "mse")  # so that the weights stay, and Keras needs no training
    x = rng.normal(size=(2 * ROWS, STEPS, FEATURES)).astype("float32")
    batches = [x[first : first + ROWS] for first in range(0, len(x), ROWS)]

    def go_on(batches: list[Any]) -> list[Any]:
        return [np.asarray(theirs(batch)) for batch in batches]

    options = {"batch_size": ROWS, "verbose": 0}
    ours.fit(x, x, shuffle=False, epochs=1, validation_data=(x[:ROWS], x[:ROWS]), **options)
    go_on([*batches, batches[0]])
    agree(ours, theirs)
    np.testing.assert_allclose(ours.predict(x, **options), np.concatenate(go_on(batches)), rtol=0, atol=1e-5)
    agree(ours, theirs)
    ours.evaluate(x, x, **options)
    go_on(batches)
    agree(ours, theirs)
    ours.train_on_batch(batches[1], batches[1])
    go_on(batches[1:])
    np.testing.assert_allclose(ours(batches[1]), go_on(batches[1:])[0], rtol=0, atol=1e-5)
    agree(ours, theirs)
    for layer in ours.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()
    for state in flat([getattr(layer, "states", None) for layer in theirs.layers]):
        if state is not None:  # Keras's reset_state fails at those of several cells
            state.assign(np.zeros(state.shape))
    np.testing.assert_allclose(ours.predict_on_batch(batches[0]), go_on(batches[:1])[0], rtol=0, atol=1e-5)
    agree(ours, theirs)


def test_a_layer_of_two_models_that_stands_twice_in_one_goes_on_as_keras_s_does(keras: Any, rng: Any) -> None:
    models = []
    weights = [rng.normal(size=shape) for shape in ((4, 12), (4, 12), (2, 12))]
    for library in (fastgru, keras):
        shared = library.layers.GRU(FEATURES, return_sequences=True, stateful=True)
        x = library.Input(batch_shape=(ROWS, STEPS, FEATURES))
        own = library.layers.LSTM(3, stateful=True, kernel_initializer="ones", recurrent_initializer="ones")
        models.append((library.Model(x, shared(shared(x))), library.Model(x, own(shared(x)))))
        shared.set_weights(weights)
    for number in (0, 1, 0, 0, 1):
        batch = rng.normal(size=(ROWS, STEPS, FEATURES)).astype("float32")
        (ours, theirs) = (pair[number] for pair in models)
        np.testing.assert_allclose(ours.predict(batch, verbose=0), np.asarray(theirs(batch)), rtol=0, atol=1e-5)
        agree(ours, theirs)
