"""MNIST read row by row: a GRU sees 28 rows of 28 pixels and says the digit (the introduction's second program)."""

import numpy as np
from keras.datasets import mnist
from keras.layers import GRU, Dense, Input
from keras.models import Sequential
from keras.utils import to_categorical


def drawn_digits(count):
    """Where MNIST cannot be had: seven-segment digits with noise, shifted by a pixel or two."""
    rng = np.random.default_rng(0)
    segments = ["abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg"]
    strokes = {"a": (4, 5, 8, 20), "g": (13, 14, 8, 20), "d": (22, 23, 8, 20), "f": (4, 14, 8, 9), "b": (4, 14, 19, 20),
               "e": (13, 23, 8, 9), "c": (13, 23, 19, 20)}  # fmt: skip
    labels = rng.integers(0, 10, count)
    images = rng.uniform(0, 60, (count, 28, 28))
    for image, label in zip(images, labels, strict=True):
        down, right = rng.integers(-2, 3, 2)
        for top, bottom, left, end in (strokes[name] for name in segments[label]):
            image[top + down : bottom + down + 1, left + right : end + right + 1] = 255
    return images.astype("uint8"), labels.astype("uint8")


def load(small):
    try:
        (x_train, y_train), (x_test, y_test) = mnist.load_data()
    except Exception as error:  # each library has its own for a network that is not there
        print(f"MNIST is not at hand ({type(error).__name__}); drawing digits instead")
        images, labels = drawn_digits(12_000)
        (x_train, x_test), (y_train, y_test) = np.split(images, [10_000]), np.split(labels, [10_000])
    if small:
        x_train, y_train, x_test, y_test = x_train[:2560], y_train[:2560], x_test[:500], y_test[:500]
    x_train, x_test = x_train.astype("float32") / 255, x_test.astype("float32") / 255
    return x_train, to_categorical(y_train, num_classes=10), x_test, to_categorical(y_test, num_classes=10)


def build(data):
    model = Sequential()
    model.add(Input((28, 28)))
    model.add(GRU(units=128, activation="tanh"))
    model.add(Dense(units=10, activation="softmax"))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def train(model, data, epochs, callbacks):
    x_train, y_train, x_test, y_test = data
    model.fit(
        x_train, y_train, batch_size=128, epochs=epochs, validation_data=(x_test, y_test), shuffle=False,
        callbacks=callbacks, verbose=2,
    )  # fmt: skip
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"Test accuracy: {accuracy:.4f}")
