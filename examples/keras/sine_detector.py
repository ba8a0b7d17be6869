"""Is the wave clean or disturbed? One number a step and one answer (the introduction's first program)."""

import numpy as np
from keras.layers import GRU, Dense
from keras.models import Sequential


def load(small):
    rng = np.random.default_rng(1)
    count = 2_000 if small else 20_000
    phase, pace = rng.uniform(0, 6, (count, 1)), rng.uniform(0.2, 0.9, (count, 1))
    waves = np.sin(phase + pace * np.arange(10))
    labels = rng.integers(0, 2, count)
    waves += 0.35 * labels[:, None] * rng.normal(size=waves.shape)
    return waves[..., None].astype("float32"), labels.astype("float32")[:, None]


def build(data):
    model = Sequential()
    model.add(GRU(units=64, activation="tanh", input_shape=(10, 1)))
    model.add(Dense(units=1, activation="sigmoid"))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def train(model, data, epochs, callbacks):
    X_train, y_train = data
    model.fit(
        X_train, y_train, batch_size=32, epochs=epochs, validation_split=0.1, shuffle=False, callbacks=callbacks,
        verbose=2,
    )  # fmt: skip
