"""The temperature twelve hours ahead, from five days of a weather station's readings."""

import keras
import numpy as np
from keras import layers

PAST, AHEAD = 120, 12  # hours


def readings(hours):
    """Temperature, pressure, humidity and wind of a made-up station: seasons, days, and fronts that pass."""
    rng = np.random.default_rng(2)
    t = np.arange(hours)
    front = np.convolve(rng.normal(size=hours), np.exp(-np.arange(72) / 18), mode="same")
    temperature = 9 + 11 * np.sin(t / 8766 * 2 * np.pi) + 4 * np.sin(t / 24 * 2 * np.pi) + 1.3 * front
    pressure = 1013 - 4 * np.roll(front, -6) + rng.normal(size=hours)
    humidity = 70 - 1.2 * (temperature - temperature.mean()) + 3 * rng.normal(size=hours)
    wind = np.abs(3 + np.gradient(front) * 2 + rng.normal(size=hours))
    return np.stack([temperature, pressure, humidity, wind], axis=1).astype("float32")


def load(small):
    values = readings(3_000 if small else 20_000)
    split = int(0.8 * len(values))
    mean, deviation = values[:split].mean(axis=0), values[:split].std(axis=0)
    values = (values - mean) / deviation
    sets = []
    for part in (values[:split], values[split:]):
        sets.append(
            keras.utils.timeseries_dataset_from_array(
                part[: -(PAST + AHEAD)],
                part[PAST + AHEAD :, 0],
                sequence_length=PAST // 2,
                sampling_rate=2,
                batch_size=64,
            )
        )
    return sets


def build(data):
    inputs = layers.Input((PAST // 2, 4))
    x = layers.GRU(32, return_sequences=True)(inputs)
    x = layers.GRU(32)(x)
    outputs = layers.Dense(1)(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=keras.optimizers.schedules.ExponentialDecay(0.003, 200, 0.9)),
        loss=keras.losses.Huber(),
        metrics=["mae", keras.metrics.RootMeanSquaredError()],
    )
    return model


def train(model, data, epochs, callbacks):
    train_set, validation_set = data
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
    model.fit(
        train_set, validation_data=validation_set, epochs=epochs, callbacks=[stop, *callbacks], shuffle=False, verbose=2
    )
