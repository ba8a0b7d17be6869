"""Reviews of films, good or bad: padded word numbers, an embedding with a mask, a GRU in both directions."""

import numpy as np
from keras import Sequential
from keras.datasets import imdb
from keras.layers import GRU, Bidirectional, Dense, Embedding, Input
from keras.metrics import AUC
from keras.utils import pad_sequences

WORDS, LENGTH = 5_000, 100


def made_up_reviews(count):
    """Where IMDB cannot be had: words drawn by their frequency, and more of some the better the film was."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, count)
    frequency = 1 / np.arange(1, WORDS - 3)
    opinions = rng.normal(size=frequency.size)
    reviews = []
    for label in labels:
        weights = frequency * np.exp(opinions * (0.5 if label else -0.5))
        length = int(rng.integers(20, 160))
        reviews.append([1, *(4 + rng.choice(frequency.size, length, p=weights / weights.sum()))])
    return reviews, labels


def load(small):
    try:
        (x_train, y_train), _ = imdb.load_data(num_words=WORDS)
    except Exception as error:  # each library has its own for a network that is not there
        print(f"IMDB is not at hand ({type(error).__name__}); making reviews up")
        x_train, y_train = made_up_reviews(1_000 if small else 8_000)
    if small:
        x_train, y_train = x_train[:1_000], y_train[:1_000]
    return pad_sequences(x_train, maxlen=LENGTH, padding="post", truncating="post"), np.asarray(y_train, "float32")


def build(data):
    model = Sequential(
        [
            Input((LENGTH,), dtype="int32"),
            Embedding(WORDS, 32, mask_zero=True),
            Bidirectional(GRU(32)),
            Dense(16, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy", AUC(name="auc")])
    return model


def train(model, data, epochs, callbacks):
    x, y = data
    model.fit(
        x, y, epochs=epochs, batch_size=64, validation_split=0.2, class_weight={0: 1.0, 1: 1.2}, shuffle=False,
        callbacks=callbacks, verbose=2,
    )  # fmt: skip
