"""Writes golden files of Keras 2 for what old files do differently: needs tensorflow and tf_keras.

Of each model a whole legacy file `old_NAME.h5`, one of weights alone `old_NAME_weights.h5` and an archive
`old_NAME.keras`, with inputs and outputs in `old_NAME.npz`. Names as arguments: of these models alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras
from tf_keras import layers

SEED = 20261123
FOLDER = Path(__file__).parent


def graph() -> Any:
    """Several inputs and outputs, a state handed on, a shared layer, a model inside that is used twice."""
    x, state = keras.Input((5, 3), name="x"), keras.Input((4,), name="state")
    y, last = layers.GRU(4, return_sequences=True, return_state=True, name="first")(x, initial_state=state)
    inner_input = keras.Input((5, 4))
    inner_output = layers.BatchNormalization()(layers.Conv1D(4, 2, padding="same", activation="relu")(inner_input))
    inner = keras.Model(inner_input, inner_output, name="inner")
    shared = layers.Dense(4, name="shared", activation=layers.LeakyReLU(alpha=0.1))
    z = inner(shared(inner(shared(y))))
    both = layers.Concatenate()([z, y])
    ways = layers.Bidirectional(layers.LSTM(2, recurrent_activation="hard_sigmoid"), name="ways")(both)
    row = keras.Sequential([layers.Dense(3, input_shape=(4,)), layers.LeakyReLU(alpha=0.3)], name="row")
    return keras.Model([x, state], [row(ways), last, layers.GlobalMaxPooling1D()(z)])


def words() -> Any:
    """Masks that go with the words, and one that is given by name."""
    x = keras.Input((6,), name="words", dtype="int32")
    embedding = layers.Embedding(7, 3, mask_zero=True, name="embedding")
    y = embedding(x)
    y = layers.Bidirectional(layers.GRU(3, return_sequences=True, reset_after=False), merge_mode="sum")(y)
    y = layers.TimeDistributed(layers.Dense(2, activation="hard_sigmoid"))(y)
    other = layers.GRU(2, return_sequences=True)(embedding(x), mask=embedding.compute_mask(x))
    y = layers.Add()([y, layers.SpatialDropout1D(0.2)(other)])
    return keras.Model(x, layers.SimpleRNN(2)(layers.LayerNormalization()(y)))


def row() -> Any:
    """A Sequential of layers whose options changed their names."""
    return keras.Sequential(
        [
            layers.Masking(0.0, input_shape=(8, 3)),
            layers.GaussianNoise(0.1),
            layers.GRU(4, return_sequences=True, activation="hard_sigmoid"),
            layers.ZeroPadding1D(1),
            layers.Conv1D(4, 3, strides=2),
            layers.BatchNormalization(),
            layers.ReLU(max_value=2.0, negative_slope=0.1),
            layers.MaxPooling1D(2),
            layers.PReLU(),
            layers.ThresholdedReLU(0.2),
            layers.RNN([layers.GRUCell(3), layers.GRUCell(2, reset_after=True)]),
            layers.Dense(3),
            layers.Softmax(),
        ]
    )


def turned() -> Any:
    """Copies of layers that read the sequence backwards themselves: those read it forwards."""
    turned = layers.GRU(3, go_backwards=True, return_sequences=True, name="turned")
    return keras.Sequential(
        [
            keras.Input((5, 2)),
            layers.Bidirectional(turned, name="both"),
            layers.Bidirectional(layers.LSTM(2, go_backwards=True), merge_mode="sum", name="last"),
        ]
    )


def time_first() -> Any:
    """The time steps along the first axis, and the samples along the second."""
    x = keras.Input((6, 3), name="x")  # as many samples as steps, as Keras counts those of inputs and targets
    y = layers.GRU(3, return_sequences=True, time_major=True, name="first")(x)
    both = layers.Bidirectional(layers.LSTM(2, return_sequences=True, time_major=True), name="both")(y)
    last = layers.GRU(2, time_major=True, return_state=True, name="last")(both)
    return keras.Model(x, [both, *last])


def frozen() -> Any:
    """One direction of two is not trained."""
    both = layers.Bidirectional(layers.GRU(3, reset_after=False), name="both")
    model = keras.Sequential([keras.Input((5, 3)), both, layers.Dense(1, name="dense")])
    both.forward_layer.trainable = False
    return model


def inputs_of(model: Any, rng: np.random.Generator) -> list[np.ndarray]:
    inputs = []
    for one in model.inputs:
        shape = (6, *one.shape[1:])
        integers = one.dtype.name.startswith("int")
        x = rng.integers(0, 7, shape) if integers else rng.normal(size=shape)
        if len(shape) == 3:
            x[1, :3] = 0
        inputs.append(x.astype("int32" if integers else "float32"))
    return inputs


def main() -> None:
    makers: list[Callable[[], Any]] = [graph, words, row, turned, time_first, frozen]
    for make in makers:
        if sys.argv[1:] and make.__name__ not in sys.argv[1:]:
            continue
        keras.backend.clear_session()
        keras.utils.set_random_seed(SEED)
        rng = np.random.default_rng(SEED)
        model = make()
        model.set_weights([rng.normal(scale=0.6, size=weight.shape) ** 2 for weight in model.get_weights()])
        optimizer = keras.optimizers.legacy.Adam() if make is row else "adam"
        model.compile(optimizer, "mse")
        x = inputs_of(model, rng)
        y = model.predict(x, verbose=0)
        model.train_on_batch(x, y)
        y = model.predict(x, verbose=0)
        y = y if isinstance(y, list) else [y]
        name = f"old_{make.__name__}"
        arrays = {
            **{f"x{index}": one for index, one in enumerate(x)},
            **{f"y{index}": one for index, one in enumerate(y)},
        }
        meta = {"keras": keras.__version__, "backend": "tensorflow", "seed": SEED}
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays, meta=json.dumps(meta))
        model.save(FOLDER / f"{name}.h5")
        model.save(FOLDER / f"{name}.keras")
        model.save_weights(FOLDER / f"{name}_weights.h5")


if __name__ == "__main__":
    main()
