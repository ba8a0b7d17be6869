"""Dates in words to digits: an encoder, a decoder, and Bahdanau's attention as a layer of one's own."""

import keras
import numpy as np
from keras import layers, ops

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
LETTERS = " abcdefghijklmnopqrstuvwxyz0123456789,"
DIGITS = "-0123456789^"  # ^ begins an answer
LONG, SHORT = 20, 10


def load(small):
    rng = np.random.default_rng(5)
    count = 1_500 if small else 20_000
    questions, answers = np.zeros((count, LONG), "int32"), np.zeros((count, SHORT), "int32")
    for row in range(count):
        day, month, year = rng.integers(1, 29), rng.integers(0, 12), rng.integers(1950, 2050)
        words = [f"{day} {MONTHS[month]} {year}", f"{MONTHS[month][:3]} {day}, {year}"][rng.integers(2)]
        questions[row, : len(words)] = [LETTERS.index(letter) for letter in words]
        answers[row] = [DIGITS.index(digit) for digit in f"{year}-{month + 1:02d}-{day:02d}"]
    begun = np.concatenate([np.full((count, 1), DIGITS.index("^")), answers[:, :-1]], axis=1)
    return questions, begun.astype("int32"), answers


class AdditiveAttention(layers.Layer):
    """Which steps of the encoder each step of the decoder looks at (Bahdanau et al., 2015)."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.query, self.key = layers.Dense(units, use_bias=False), layers.Dense(units, use_bias=False)
        self.score = layers.Dense(1, use_bias=False)

    def call(self, states, memory):
        query = ops.expand_dims(self.query(states), 2)
        key = ops.expand_dims(self.key(memory), 1)
        scores = ops.squeeze(self.score(ops.tanh(query + key)), -1)
        return ops.matmul(ops.softmax(scores, axis=-1), memory)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def build(data):
    question, begun = layers.Input((LONG,), dtype="int32"), layers.Input((SHORT,), dtype="int32")
    memory, state = layers.GRU(48, return_sequences=True, return_state=True)(
        layers.Embedding(len(LETTERS), 16)(question)
    )
    states = layers.GRU(48, return_sequences=True)(layers.Embedding(len(DIGITS), 16)(begun), initial_state=state)
    context = AdditiveAttention(32)(states, memory)
    outputs = layers.Dense(len(DIGITS), activation="softmax")(layers.Concatenate()([states, context]))
    model = keras.Model([question, begun], outputs)
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(model, data, epochs, callbacks):
    questions, begun, answers = data
    model.fit([questions, begun], answers, batch_size=64, epochs=epochs, shuffle=False, callbacks=callbacks, verbose=2)
    answer = np.full((1, SHORT + 1), DIGITS.index("^"), "int32")
    for step in range(SHORT):
        answer[0, step + 1] = model.predict([questions[:1], answer[:, :-1]], verbose=0)[0, step].argmax()
    print("".join(LETTERS[letter] for letter in questions[0]), "->", "".join(DIGITS[digit] for digit in answer[0, 1:]))
