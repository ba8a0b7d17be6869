"""Models of stateful layers, with a layer among them that calls a hook in the middle of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru import Input, Sequential, layers
from fastgru.layers.workspace import Call

ROWS, STEPS, FEATURES = 2, 3, 4
Run = Callable[[Any, Any], Any]


class Hook(layers.Layer):
    """Hands its input on, after it has called whatever is its hook."""

    hook: Callable[[], None] | None = None

    def forward(self, call: Call, *inputs: Any) -> Any:
        if self.hook is not None:
            self.hook()
        return inputs[0]

    def backward(self, call: Call, *d_outputs: Any) -> Any:
        return d_outputs[0]


class Leaky(layers.Layer):
    """A cell of one's own."""

    state_size = 4

    def call(self, x: Any, states: Any) -> Any:
        new = 0.5 * states[0] + x
        return new, [new]


KINDS: dict[str, Callable[[], Any]] = {
    "GRU": lambda: layers.GRU(4, return_sequences=True, stateful=True),
    "LSTM": lambda: layers.LSTM(4, return_sequences=True, stateful=True),
    "SimpleRNN": lambda: layers.SimpleRNN(4, return_sequences=True, stateful=True),
    "in numpy": lambda: layers.GRU(4, return_sequences=True, stateful=True, activation="softsign"),
    "backwards": lambda: layers.GRU(4, return_sequences=True, stateful=True, go_backwards=True),
    "both ways": lambda: layers.Bidirectional(layers.GRU(2, return_sequences=True, stateful=True)),
    "cells": lambda: layers.RNN([layers.GRUCell(3), layers.LSTMCell(4)], return_sequences=True, stateful=True),
    "own cell": lambda: layers.RNN(Leaky(), return_sequences=True, stateful=True),
    "convolutional": lambda: Sequential(
        [
            layers.Reshape((STEPS, FEATURES, 1)),
            layers.ConvLSTM1D(1, 3, padding="same", return_sequences=True, stateful=True),
            layers.Reshape((STEPS, FEATURES)),
        ]
    ),
}
RUNS: dict[str, Run] = {
    "call": lambda model, x: model(x),
    "training": lambda model, x: model(x, training=True),
    "predict": lambda model, x: model.predict(x, batch_size=ROWS, verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "evaluate": lambda model, x: model.evaluate(x, x, batch_size=ROWS, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, x),
    "fit": lambda model, x: model.fit(x, x, batch_size=ROWS, shuffle=False, verbose=0),
}


def data(rng: np.random.Generator, batches: int = 1) -> Any:
    return rng.normal(size=(ROWS * batches, STEPS, FEATURES)).astype("float32")


def row_of(*middle: Any) -> Any:
    model = Sequential([Input(batch_shape=(ROWS, STEPS, FEATURES)), *middle])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    model.compile("sgd", "mse")
    return model


def states_of(model: Any) -> list[Any]:
    """All states, as copies in a row."""
    rows: list[Any] = []
    for layer in model.layers:
        if isinstance(layer, Sequential):
            rows += states_of(layer)
        elif getattr(layer, "states", None) is not None:
            rows += [np.array(state) for state in layer.states]
    return rows


def equal(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def raising(error: type[BaseException], at: int = 1) -> Callable[[], None]:
    """A hook that raises when it is called the `at`-th time."""
    calls = iter(range(1, at + 1))

    def hook() -> None:
        if next(calls, 0) == at:
            raise error

    return hook
