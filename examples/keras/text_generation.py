"""Letters that follow letters: a Model with a call of its own, trained by a loop of one's own, writes a verse."""

import keras
import numpy as np
from keras import layers, ops
from tensorflow import GradientTape  # tape: the one line that names the library whose gradients these are

VERSE = """the river ran the river bent and where it went the willow leant
the willow leant the wind had said the sun is tired and goes to bed
the sun is tired the day is done the stars come counting one by one
and one by one the windows glow and none will see the river go
"""
LETTERS = sorted(set(VERSE))
STEPS, BATCH = 40, 32


class Writer(keras.Model):
    def __init__(self, letters, units):
        super().__init__()
        self.embedding = layers.Embedding(letters, 16)
        self.gru = layers.GRU(units, return_sequences=True, return_state=True)
        self.letters = layers.Dense(letters)

    def call(self, inputs, states=None, return_state=False, training=False):
        x = self.embedding(inputs, training=training)
        if states is None:
            states = self.gru.get_initial_state(ops.shape(x)[0])
        x, states = self.gru(x, initial_state=states, training=training)
        x = self.letters(x, training=training)
        return (x, states) if return_state else x


def load(small):
    numbers = np.array([LETTERS.index(letter) for letter in VERSE * (5 if small else 40)], "int32")
    begins = np.random.default_rng(6).integers(0, len(numbers) - STEPS - 1, (len(numbers) // STEPS, BATCH))
    windows = numbers[begins[..., None] + np.arange(STEPS + 1)]
    return windows[..., :-1], windows[..., 1:]


def build(data):
    model = Writer(len(LETTERS), 64)
    model(data[0][0])
    # with Adam Keras's losses on TensorFlow are not those on JAX: there it squares the parts of an embedding's gradient
    model.optimizer = keras.optimizers.SGD(0.5, momentum=0.9, clipnorm=1.0)
    return model


def train(model, data, epochs, callbacks):
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for epoch in range(epochs):
        for step, (x, y) in enumerate(zip(*data, strict=True)):
            with GradientTape() as tape:
                loss = loss_of(y, model(x, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            for callback in callbacks:
                callback.on_train_batch_end(step, {"loss": float(loss)})
        print(f"epoch {epoch + 1}: loss {float(loss):.4f}")
    letter, states, written = np.array([[LETTERS.index("t")]]), None, "t"
    for _ in range(60):
        logits, states = model(letter, states=states, return_state=True)
        letter = np.asarray(ops.argmax(logits[:, -1:], axis=-1))
        written += LETTERS[int(letter[0, 0])]
    print(repr(written))
