"""Trains fastgru/playground/mnist.keras, the small model that the playground shows.

Run once as ``python tools/train_playground_model.py``, some minutes on two processors; the result is kept in the
repository, MNIST is not. Two things make it fit to be looked at:

- Digits are turned, slanted, stretched, moved, thinned and thickened, since a mouse draws unlike the pens of MNIST.
- The answer after every row counts a little, the later the more, so that it can be watched as it forms. What is saved
  is the GRU and the Dense layer alone, which answer after the last row as usual.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from fastgru.datasets import mnist
from fastgru.layers import GRU, Dense
from fastgru.models import Sequential
from fastgru.optimizers import Adam
from fastgru.optimizers.schedules import CosineDecay
from fastgru.utils import set_random_seed

TARGET = Path(__file__).resolve().parents[1] / "fastgru/playground/mnist.keras"
UNITS, ROUNDS, BATCH_SIZE = 40, 60, 128
Array = npt.NDArray[np.float32]


def affine(images: Array, rng: np.random.Generator) -> Array:
    """Each image turned, slanted, stretched and moved a little, sampled bilinearly."""
    n, size = len(images), images.shape[1]
    angle, slant = rng.normal(0, 0.12, n), rng.normal(0, 0.12, n)
    wide, tall = rng.uniform(0.85, 1.15, n), rng.uniform(0.88, 1.12, n)
    cos, sin = np.cos(angle), np.sin(angle)
    back = np.array([[cos * wide, -sin * tall + slant], [sin * wide, cos * tall]])  # (2, 2, n): output to input
    centre = (size - 1) / 2
    places = np.indices((size, size)).reshape(2, -1)[::-1] - centre  # x, y
    x, y = np.einsum("ijn,jp->inp", back, places) + centre + rng.uniform(-1.5, 1.5, (2, n, 1))
    left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    x, y = x - left, y - top
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))  # what is sampled outside is blank
    sample = np.arange(n)[:, None]

    def pixel(row: npt.NDArray[np.int32], column: npt.NDArray[np.int32]) -> Array:
        return padded[sample, row.clip(-2, size + 1) + 2, column.clip(-2, size + 1) + 2]

    upper = pixel(top, left) * (1 - x) + pixel(top, left + 1) * x
    lower = pixel(top + 1, left) * (1 - x) + pixel(top + 1, left + 1) * x
    return (upper * (1 - y) + lower * y).reshape(images.shape).astype(np.float32)


def thickness(images: Array, rng: np.random.Generator) -> Array:
    """Each image with strokes thinner or thicker by up to a pixel, and harder or softer edges."""
    shifts = [np.roll(images, move, (1, 2)) for move in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))]
    thick, thin = np.max(shifts, axis=0), np.min(shifts, axis=0)
    by = rng.uniform(-0.6, 0.7, (len(images), 1, 1)).astype(np.float32)
    changed = np.where(by > 0, images + by * (thick - images), images - by * (thin - images))
    edge = rng.uniform(1, 1.8, by.shape).astype(np.float32)
    return np.clip((changed - 0.5) * edge + 0.5, 0, 1) * (changed > 0.02)


def main() -> None:
    set_random_seed(15)
    rng = np.random.default_rng(15)
    (x, y), (x_test, y_test) = mnist.load_data()
    x, x_test = (images.astype(np.float32) / 255 for images in (x, x_test))

    size = x.shape[1]
    learner = Sequential([GRU(UNITS, input_shape=(size, size), return_sequences=True), Dense(10, activation="softmax")])
    steps = ROUNDS * -(-len(x) // BATCH_SIZE)
    learner.compile(Adam(CosineDecay(4e-3, steps), clipnorm=1.0), "sparse_categorical_crossentropy")
    row_weights = 0.3 * np.linspace(0, 1, size, dtype=np.float32) ** 2
    row_weights[-1] = size / 4
    weights = np.broadcast_to(row_weights, (len(x), size))
    labels = np.broadcast_to(y[:, None], (len(y), size))

    model = Sequential([GRU(UNITS, input_shape=(size, size)), Dense(10, activation="softmax")])
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    for number in range(1, ROUNDS + 1):
        images = thickness(affine(x, rng), rng)
        history = learner.fit(images, labels, BATCH_SIZE, sample_weight=weights, verbose=0)
        model.set_weights(learner.get_weights())
        accuracy = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
        print(f"round {number}: loss {history.history['loss'][-1]:.4f}, test accuracy {accuracy:.2%}", flush=True)
    model.save(TARGET)
    print(f"{TARGET}: {model.count_params()} weights, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
