"""Keras on its JAX backend, as a Keras user runs it."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import keras

from bench.engines import Floats, Labels


def versions() -> dict[str, str]:
    return {"keras": keras.__version__, "jax": jax.__version__}


class trainer:
    def __init__(self, units: int, classes: int, shape: tuple[int, int], batch_size: int, threads: int) -> None:
        # JAX has no setting for threads: it takes one for each CPU it may use, and the worker has so many
        self.batch_size = batch_size
        layers = keras.layers
        self.model = keras.Sequential(
            [layers.Input(shape), layers.GRU(units), layers.Dense(classes, activation="softmax")]
        )
        self.model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")

    def epoch(self, x: Floats, y: Labels) -> None:
        self.model.fit(x, y, batch_size=self.batch_size, epochs=1, verbose=0)

    def accuracy(self, x: Floats, y: Labels) -> float:
        return float((self.model.predict(x, batch_size=1000, verbose=0).argmax(axis=1) == y).mean())
