"""Writes the golden files of Keras 2, as `write_golden.py` does: needs tensorflow and tf_keras.

`keras2.h5` is a whole legacy model, `keras2_weights.h5` its weights alone, `keras2.keras` an early archive.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tf_keras as keras
from tf_keras import layers

SEED = 20261123
FOLDER = Path(__file__).parent


def main() -> None:
    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    model = keras.Sequential(
        [
            layers.GRU(4, recurrent_activation="hard_sigmoid", return_sequences=True, input_shape=(5, 3)),
            layers.GRU(3, reset_after=False),
            layers.Dropout(0.2),
            layers.Dense(2, activation="hard_sigmoid"),
        ]
    )
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    model.compile("adam", keras.losses.MeanSquaredError(), metrics=["accuracy"])
    model.train_on_batch(rng.normal(size=(4, 5, 3)), rng.integers(0, 2, (4, 2)))
    x = rng.normal(size=(8, 5, 3)).astype("float32")
    meta = {"keras": keras.__version__, "backend": "tensorflow", "seed": SEED}
    np.savez_compressed(FOLDER / "keras2.npz", x=x, y=model.predict(x, verbose=0), meta=json.dumps(meta))
    model.save(FOLDER / "keras2.h5")
    model.save(FOLDER / "keras2.keras")
    model.save_weights(FOLDER / "keras2_weights.h5")


if __name__ == "__main__":
    main()
