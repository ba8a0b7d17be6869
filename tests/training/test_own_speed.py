"""What a layer or a loss written with ops costs beside what the package has built in.

On a quiet machine the ratios are over a half; the test leaves room for a busy one.
"""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np
import pytest

from fastgru import Input, Sequential, layers, ops

pytestmark = pytest.mark.slow

FLOOR = 0.3  # of the speed of the built-in twin
BATCHES, TURNS = 16, 12


class FiveOps(layers.Layer):
    """softmax."""

    def call(self, x: Any) -> Any:
        powers = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
        return powers / ops.sum(powers, axis=-1, keepdims=True)


class ElevenOps(layers.Layer):
    """LayerNormalization."""

    def build(self, input_shape: Any) -> None:
        self.gamma = self.add_weight(shape=input_shape[-1:], initializer="ones")
        self.beta = self.add_weight(shape=input_shape[-1:], initializer="zeros")

    def call(self, x: Any) -> Any:
        mean = ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(x - mean), axis=-1, keepdims=True)
        return (x - mean) * ops.reciprocal(ops.sqrt(variance + 1e-3)) * self.gamma + self.beta


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def model_of(units: int, middle: list[Any], loss: Any) -> Any:
    row = [layers.GRU(units, return_sequences=True), *middle, layers.GlobalAveragePooling1D(), layers.Dense(1)]
    model = Sequential([Input((28, 8)), *row])
    model.compile("adam", loss)
    return model


@pytest.mark.parametrize("units", [8, 32])
@pytest.mark.parametrize(
    ("middle", "loss", "built_in"),
    [
        (FiveOps, "mse", layers.Softmax),
        (ElevenOps, "mse", layers.LayerNormalization),
        (layers.Softmax, mean_squared_error, layers.Softmax),
    ],
    ids=["five ops", "eleven ops", "a function as loss"],
)
def test_what_is_written_with_ops_trains_nearly_as_quickly(
    units: int, middle: Any, loss: Any, built_in: Any, rng: np.random.Generator
) -> None:
    x, y = rng.normal(size=(32 * BATCHES, 28, 8)).astype("float32"), rng.normal(size=(32 * BATCHES, 1))
    models = {"own": model_of(units, [middle()], loss), "built-in": model_of(units, [built_in()], "mse")}
    best = dict.fromkeys(models, float("inf"))
    for _ in range(TURNS):
        for name, model in models.items():
            begin = process_time()
            model.fit(x, y, verbose=0)
            best[name] = min(best[name], process_time() - begin)
    ratio = best["built-in"] / best["own"]
    print(f"{ratio:.2f} of the built-in twin's speed")
    assert ratio > FLOOR
