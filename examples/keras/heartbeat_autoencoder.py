"""Heartbeats that are not like the others: an autoencoder learns the usual ones, and its error tells the rest."""

import numpy as np
from keras import Model
from keras.callbacks import ReduceLROnPlateau
from keras.layers import GRU, Dense, GaussianNoise, Input, RepeatVector, TimeDistributed

STEPS = 48


def beats(count, usual, rng):
    t = np.linspace(0, 1, STEPS)
    places = np.array([0.25, 0.42, 0.46, 0.5, 0.72]) + rng.normal(0, 0.006, (count, 5))
    heights = np.array([0.15, -0.12, 1.0, -0.2, 0.3]) * rng.normal(1, 0.08, (count, 5))
    widths = np.array([0.03, 0.012, 0.014, 0.012, 0.05])
    if not usual:
        heights[:, 0], heights[:, 2] = 0, heights[:, 2] * 0.6
        widths = widths * np.array([1, 1, 2.5, 1, 0.6])
    bumps = heights[..., None] * np.exp(-(((t - places[..., None]) / widths[:, None]) ** 2) / 2)
    return (bumps.sum(axis=1) + rng.normal(0, 0.02, (count, STEPS)))[..., None].astype("float32")


def load(small):
    rng = np.random.default_rng(7)
    return beats(1_000 if small else 10_000, True, rng), beats(300, True, rng), beats(300, False, rng)


def build(data):
    inputs = Input((STEPS, 1))
    x = GaussianNoise(0.0)(inputs)
    x = GRU(32, return_sequences=True)(x)
    code = GRU(8, name="code")(x)
    x = RepeatVector(STEPS)(code)
    x = GRU(8, return_sequences=True)(x)
    x = GRU(32, return_sequences=True)(x)
    outputs = TimeDistributed(Dense(1))(x)
    model = Model(inputs, outputs)
    model.compile(optimizer="adam", loss="mae")
    return model


def train(model, data, epochs, callbacks):
    usual, held_out, others = data
    model.fit(
        usual, usual, epochs=epochs, batch_size=64, shuffle=False, verbose=2,
        callbacks=[ReduceLROnPlateau(monitor="loss", patience=2), *callbacks],
    )  # fmt: skip
    errors = [np.abs(model.predict(part, verbose=0) - part).mean(axis=(1, 2)) for part in (held_out, others)]
    print(
        f"others whose error is above 95 % of the usual ones': {np.mean(errors[1] > np.quantile(errors[0], 0.95)):.2f}"
    )
