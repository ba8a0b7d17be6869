"""Writes the golden files of this folder with real Keras: ``python tests/files/write_golden.py``.

Each case is a small model in the formats it names, and an `.npz` beside it with inputs `x` and Keras's outputs `y`.
Where the model was trained and nothing in it is random, there is also a batch (`x_batch`, `y_batch`) and the outputs
`y_after` that two more updates on that batch lead to. `meta` is JSON: the version of Keras, its backend, the seed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
from keras import Input, Sequential, layers, optimizers

SEED = 20261123
FOLDER = Path(__file__).parent


def reset_after() -> tuple[Sequential, dict]:
    model = Sequential([Input((6, 3)), layers.GRU(4), layers.Dense(3, activation="softmax")])
    return model, {
        "optimizer": optimizers.Adam(0.01),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
    }


def reset_before() -> tuple[Sequential, dict]:
    model = Sequential([Input((None, 3)), layers.GRU(4, reset_after=False, dropout=0.0), layers.Dense(2)])
    return model, {
        "optimizer": optimizers.RMSprop(0.01, momentum=0.5, centered=True),
        "loss": keras.losses.MeanSquaredError(),
        "metrics": [keras.metrics.MeanAbsoluteError()],
    }


def stacked() -> tuple[Sequential, dict]:
    rows = [
        Input((5, 3)),
        layers.GRU(4, return_sequences=True, go_backwards=True, name="backwards"),
        layers.GRU(3, use_bias=False, activation="relu", recurrent_activation="hard_sigmoid", name="unbiased"),
        layers.Dense(1, kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(1.5)),
        layers.Activation("sigmoid"),
    ]
    return Sequential(rows, name="two_in_a_row"), {
        "optimizer": optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        "loss": "binary_crossentropy",
    }


def dropped() -> tuple[Sequential, dict]:
    model = Sequential([Input((5, 2)), layers.GRU(4, return_sequences=True), layers.Dropout(0.25), layers.Dense(2)])
    return model, {"optimizer": "adam", "loss": "mse"}


def double() -> tuple[Sequential, dict]:
    return Sequential(
        [Input((4, 2), dtype="float64"), layers.GRU(3, dtype="float64"), layers.Dense(1, dtype="float64")]
    ), {}


CASES = {
    reset_after: (".keras", ".h5", ".weights.h5"),
    reset_before: (".h5",),
    stacked: (".keras", ".weights.h5"),
    dropped: (".keras",),
    double: (".keras",),
}


def main() -> None:
    for make, endings in CASES.items():
        jax.config.update("jax_enable_x64", make is double)
        keras.utils.clear_session()
        keras.utils.set_random_seed(SEED)
        rng = np.random.default_rng(SEED)
        model, compiled = make()
        steps = model.input_shape[1] or 5
        for weight in model.weights:
            weight.assign(rng.normal(scale=0.5, size=weight.shape))
        x = rng.normal(size=(8, steps, model.input_shape[2])).astype("float32")
        arrays = {"x": x}
        if compiled:
            model.compile(**compiled)
            x_batch = rng.normal(size=(16, steps, model.input_shape[2])).astype("float32")
            shape = (16, *model.output_shape[1:])
            sparse = compiled["loss"] == "sparse_categorical_crossentropy"
            y_batch = rng.integers(0, 3, 16) if sparse else rng.integers(0, 2, (16, *[n or steps for n in shape[1:]]))
            for _ in range(3):
                model.train_on_batch(x_batch, y_batch)
        arrays["y"] = model.predict(x, verbose=0)
        for ending in endings:
            path = FOLDER / f"{make.__name__}{ending}"
            (model.save_weights if ending == ".weights.h5" else model.save)(path)
        if compiled and make is not dropped:
            for _ in range(2):
                model.train_on_batch(x_batch, y_batch)
            arrays |= {"x_batch": x_batch, "y_batch": y_batch, "y_after": model.predict(x, verbose=0)}
        meta = {"keras": keras.__version__, "backend": keras.config.backend(), "seed": SEED}
        np.savez_compressed(FOLDER / f"{make.__name__}.npz", meta=json.dumps(meta), **arrays)


if __name__ == "__main__":
    main()
