"""A model of Keras's with GRU layers, as it is and by `fastgru.keras.accelerate`, on the backend that is set."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from bench.network import Arrays, Floats
from bench.variants import Variant, inference, updates


def _model(arrays: Arrays) -> Any:
    """Its output is the last states of the last layer; steps behind the end of a sequence are masked."""
    units, count, directions = (int(arrays[name]) for name in ("units", "layers", "directions"))
    _, steps, features = arrays["x"].shape
    layers = keras.layers
    stack = [layers.GRU(units, return_sequences=number < count - 1) for number in range(count)]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((steps, features))])
    if (arrays["lengths"] < steps).any():
        model.add(layers.Masking())
    for layer in stack:
        model.add(layers.Bidirectional(layer) if directions == 2 else layer)
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(-0.08, 0.08, weight.shape) for weight in model.get_weights()])
    model.compile("adam", "mse")
    return model


def variants(accelerated: bool, arrays: Arrays, threads: int) -> dict[str, Variant]:
    x = arrays["x"] * (np.arange(arrays["x"].shape[1]) < arrays["lengths"][:, None])[..., None]
    model = _model(arrays)
    if accelerated:
        from fastgru.keras import accelerate

        accelerate(model)

    def predict() -> Floats:
        outputs: Floats = model.predict_on_batch(x)
        return outputs

    if not arrays["trains"]:
        return {"predict_on_batch": inference(predict)}
    y = np.zeros_like(predict())

    def train() -> None:
        model.train_on_batch(x, y)

    return {"train_on_batch": updates(predict, train)}
