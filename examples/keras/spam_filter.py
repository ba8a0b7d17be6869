"""Texts in, a verdict out: TextVectorization learns the words, a pipeline makes batches, the GRU reads them."""

import keras
import numpy as np
from keras import layers

LENGTH = 24
PHRASES = {
    0: [
        "see you at {} tonight",
        "the meeting moved to {}",
        "thanks for the {}",
        "can you send me the {}",
        "lunch by {}",
    ],
    1: [
        "win a free {} now!!!",
        "URGENT: claim your {}",
        "cheap {} click here",
        "you have won a {}",
        "{} for $$$ today",
    ],
}
THINGS = ["report", "house", "car", "dinner", "phone", "ticket", "holiday", "book", "seven", "prize", "garden", "tea"]


def load(small):
    rng = np.random.default_rng(4)
    texts, labels = [], rng.integers(0, 2, 1_000 if small else 10_000)
    for label in labels:
        kinds = np.where(rng.random(3) < 0.8, label, 1 - label)  # now and then a phrase of the other kind
        texts.append(". ".join(str(rng.choice(PHRASES[int(kind)])).format(rng.choice(THINGS)) for kind in kinds))
    return np.array(texts), labels.astype("float32")


class Batches(keras.utils.PyDataset):
    """Vectorizes a batch when it is asked for."""

    def __init__(self, vectorize, texts, labels, size=32, **kwargs):
        super().__init__(**kwargs)
        self.vectorize, self.texts, self.labels, self.size = vectorize, texts, labels, size

    def __len__(self):
        return -(-len(self.texts) // self.size)

    def __getitem__(self, index):
        rows = slice(index * self.size, (index + 1) * self.size)
        return np.asarray(self.vectorize(self.texts[rows])), self.labels[rows]


def build(data):
    texts, _ = data
    vectorize = layers.TextVectorization(max_tokens=200, output_sequence_length=LENGTH)
    vectorize.adapt(texts)
    model = keras.Sequential(
        [
            layers.Input((LENGTH,), dtype="int64"),
            layers.Embedding(len(vectorize.get_vocabulary()), 16, mask_zero=True),
            layers.GRU(24),
            layers.Dense(1),
        ]
    )
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])
    model.vectorize = vectorize
    return model


def train(model, data, epochs, callbacks):
    texts, labels = data
    split = int(0.8 * len(texts))
    model.fit(
        Batches(model.vectorize, texts[:split], labels[:split]),
        validation_data=Batches(model.vectorize, texts[split:], labels[split:]),
        epochs=epochs, shuffle=False, callbacks=callbacks, verbose=2,
    )  # fmt: skip
    print("spam:", float(model.predict(np.asarray(model.vectorize(["win a free holiday"])), verbose=0)[0, 0]))
