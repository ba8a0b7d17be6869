"""A model whose answers a plain twin knows, for two versions of its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import plain_gates

from fastgru import Sequential
from fastgru.layers import GRU, LSTM, Dense, Input
from fastgru.types import Array

__all__ = ["FEATURES", "TOLERANCE", "Twin", "model_of"]

FEATURES = 5
TOLERANCE = 1e-4  # states in float32 drift from those in float64 by less: the weights below forget within some steps

States = list[Array]  # of each layer (k, units), in their order


def model_of(seed: int) -> tuple[Sequential, list[list[Array]]]:
    """A model, and two versions of its weights, of which it has the first."""
    rng = np.random.default_rng(seed)
    layers = [GRU(9, return_sequences=True), LSTM(6, return_sequences=True), Dense(4, activation="tanh")]
    model = Sequential([Input((None, FEATURES), name="seq"), *layers])
    versions = [[rng.normal(0, 0.4, w.shape).astype(np.float32) for w in model.weights] for _ in range(2)]
    model.set_weights(versions[0])
    return model, versions


class Twin:
    """The model with one version of weights, in float64, equation by equation."""

    def __init__(self, model: Sequential, weights: list[Array]) -> None:
        self._gru, self._lstm, self._dense = Sequential.from_config(model.get_config()).layers
        start = 0
        for layer in (self._gru, self._lstm, self._dense):
            layer.set_weights(weights[start : start + len(layer.weights)])
            start += len(layer.weights)

    def new(self, count: int) -> States:
        return [np.zeros((count, units)) for units in (self._gru.units, self._lstm.units, self._lstm.units)]

    def steps(self, x: Array, states: States) -> tuple[Array, States]:
        """The answers (k, n, 4) to n steps (k, n, 5) of k sessions, and the states after them."""
        gru: Any = plain_gates.plain_gates(self._gru, x, states[:1])["state"]
        lstm: Any = plain_gates.plain_gates(self._lstm, gru, states[1:])
        kernel, bias = (weight.numpy().astype("float64") for weight in self._dense.weights)
        after = [gru, lstm["state"], lstm["cell"]]
        return np.tanh(lstm["state"] @ kernel + bias), [values[:, -1] for values in after]
