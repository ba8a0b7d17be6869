"""Written numbers read without knowing where each digit stands: CTC over a sequence of columns."""

import keras
import numpy as np
from keras import layers, ops

COLUMNS, ROWS, MOST = 48, 12, 5  # the longest number has five digits
BLANK = 10


def load(small):
    rng = np.random.default_rng(8)
    shapes = rng.random((10, ROWS, 6)) > 0.5  # a digit is a pattern of six columns
    count = 600 if small else 8_000
    images, labels = rng.normal(0, 0.2, (count, COLUMNS, ROWS)), np.full((count, MOST), -1)
    lengths = rng.integers(2, MOST + 1, count)
    for row, length in enumerate(lengths):
        place = int(rng.integers(0, 4))
        for index, digit in enumerate(rng.integers(0, 10, length)):
            images[row, place : place + 6] += shapes[digit].T
            labels[row, index] = digit
            place += 6 + int(rng.integers(2, 4))
    return images.astype("float32"), labels, lengths


def ctc(y_true, y_pred):
    """Keras's CTC loss by its operation, as a plain function; classes that are -1 are padding."""
    lengths = ops.sum(ops.cast(y_true >= 0, "int32"), axis=-1)
    steps = ops.ones_like(lengths) * COLUMNS
    return ops.ctc_loss(ops.maximum(ops.cast(y_true, "int32"), 0), y_pred, lengths, steps, mask_index=BLANK)


def build(data):
    inputs = layers.Input((COLUMNS, ROWS))
    x = layers.Conv1D(24, 3, padding="same", activation="relu")(inputs)
    x = layers.Bidirectional(layers.GRU(32, return_sequences=True), merge_mode="concat")(x)
    outputs = layers.Dense(BLANK + 1)(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss=ctc)
    return model


def train(model, data, epochs, callbacks):
    images, labels, _ = data
    split = int(0.9 * len(images))
    model.fit(
        images[:split], labels[:split], batch_size=32, epochs=epochs, shuffle=False, callbacks=callbacks, verbose=2
    )
    best = model.predict(images[split:], verbose=0).argmax(axis=-1)
    read = [
        [int(d) for d, before in zip(row, [-1, *row[:-1]], strict=True) if d not in (before, BLANK)] for row in best
    ]
    right = [
        numbers == [digit for digit in label if digit >= 0]
        for numbers, label in zip(read, labels[split:].tolist(), strict=True)
    ]
    print(f"numbers read without a mistake: {np.mean(right):.2f}")
