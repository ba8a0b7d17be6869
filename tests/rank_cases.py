"""Small trainings, run by one process and by several: ``python cases.py OUT.npz`` writes what they came to.

A case is a function that trains and returns arrays by name. Every rank writes a file of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import fastgru
from fastgru import distribution, losses, ops, optimizers
from fastgru.callbacks import LambdaCallback
from fastgru.layers import (
    GRU,
    LSTM,
    AlphaDropout,
    BatchNormalization,
    Bidirectional,
    Dense,
    Dropout,
    GaussianNoise,
    Layer,
    Masking,
    TimeDistributed,
    UnitNormalization,
)
from fastgru.models import Sequential

ROWS, STEPS, FEATURES, CLASSES, BATCH = 37, 6, 3, 4, 12  # the last batch has one row

rng = np.random.default_rng(7)
x = rng.normal(size=(ROWS, STEPS, FEATURES)).astype("float32")
y = rng.integers(0, CLASSES, ROWS)
one_hot = np.eye(CLASSES, dtype="float32")[y]
weight = rng.random(ROWS)
Arrays = dict[str, Any]


def network(*behind: Layer, **options: Any) -> Sequential:
    return Sequential([GRU(8, input_shape=(STEPS, FEATURES), **options), *behind, Dense(CLASSES, activation="softmax")])


def trained(model: Any, x: Any, y: Any, loss: Any, metrics: Any = (), **options: Any) -> Arrays:
    """What a training, an evaluation and a prediction come to."""
    optimizer = optimizers.SGD(0.2, momentum=0.5, global_clipnorm=0.3)
    model.compile(optimizer, loss, metrics=list(metrics))
    options = {"batch_size": BATCH, "epochs": 2, "verbose": 2, **options}
    history = model.fit(x, y, **options).history
    arrays = {f"weight {index}": value for index, value in enumerate(model.get_weights())}
    return {**arrays, **{f"history {name}": np.asarray(value) for name, value in history.items()}}


def crossentropy() -> Arrays:
    model = network()
    metrics = ["accuracy", "auc", "f1_score", lambda t, p: np.mean(np.abs(t - p))]
    arrays = trained(model, x, one_hot, "categorical_crossentropy", metrics, validation_data=(x[:11], one_hot[:11]))
    numbers = model.evaluate(x, one_hot, batch_size=8, return_dict=True, verbose=0)
    arrays |= {f"evaluate {name}": np.asarray(value) for name, value in numbers.items()}
    return {**arrays, "predict": model.predict(x, batch_size=10, verbose=0)}


def dropout() -> Arrays:
    layers = [
        GaussianNoise(0.1, input_shape=(STEPS, FEATURES)),
        GRU(8, dropout=0.3, recurrent_dropout=0.2, return_sequences=True),
        Dropout(0.4),
        Dropout(0.2, noise_shape=(1, None, None)),
        TimeDistributed(Dropout(0.2)),
        LSTM(5, dropout=0.2, seed=4),
        AlphaDropout(0.2),
        Dense(CLASSES, activation="softmax"),
    ]
    return trained(Sequential(layers), x, y, "sparse_categorical_crossentropy")


def batch_normalization() -> Arrays:
    layers = [BatchNormalization(), GRU(5), BatchNormalization()]
    return trained(network(*layers, return_sequences=True), x, y, "sparse_categorical_crossentropy", ["accuracy"])


def masks() -> Arrays:
    padded, steps = x.copy(), rng.integers(1, STEPS, ROWS)
    padded[np.arange(STEPS) >= steps[:, None]] = 0
    layers = [
        Masking(input_shape=(STEPS, FEATURES)),
        GRU(8, return_sequences=True),
        BatchNormalization(),
        Dense(CLASSES, activation="softmax"),
    ]
    labels = np.repeat(y[:, None], STEPS, axis=1)
    return trained(Sequential(layers), padded, labels, "sparse_categorical_crossentropy", ["accuracy"])


def regularizers() -> Arrays:
    model = network(kernel_regularizer="l2", activity_regularizer="l1")
    return trained(model, x, y, "sparse_categorical_crossentropy", validation_data=(x, y))


def sample_weights() -> Arrays:
    return trained(network(), x, y, "sparse_categorical_crossentropy", sample_weight=weight)


def weighted_mean() -> Arrays:
    loss = losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    return trained(network(), x, y, loss, sample_weight=weight)


def sum_of_rows() -> Arrays:
    return trained(network(), x, y, losses.SparseCategoricalCrossentropy(reduction="sum"))


def pairs_of_rows() -> Arrays:
    model = Sequential([GRU(8, input_shape=(STEPS, FEATURES)), UnitNormalization()])
    return trained(model, x, y, losses.Circle(gamma=2.0))


def own_loss() -> Arrays:
    def spread(t: Any, p: Any) -> Any:
        return ops.mean(ops.square(p - ops.mean(p, axis=0)) * t)  # one number, by all rows

    return trained(network(), x, one_hot, spread)


def shuffled_lists() -> Arrays:
    lengths = 1 + np.arange(ROWS) % STEPS
    sequences = [row[:length] for row, length in zip(x, lengths, strict=True)]
    targets = [np.cumsum(row, axis=0) for row in sequences]
    model = Sequential([Masking(input_shape=(None, FEATURES)), GRU(8, return_sequences=True), Dense(FEATURES)])
    arrays = trained(model, sequences, targets, "mse", ["mae"])
    return {**arrays, "predict": np.concatenate(model.predict(sequences, batch_size=5, verbose=0))}


def generator() -> Arrays:
    def batches() -> Iterator[Any]:
        while True:
            yield from ((x[start : start + BATCH], y[start : start + BATCH]) for start in range(0, ROWS, BATCH))

    model, count = network(), -(-ROWS // BATCH)
    options: Any = {"batch_size": None, "steps_per_epoch": count}
    arrays = trained(model, batches(), None, "sparse_categorical_crossentropy", ["accuracy"], **options)
    return {**arrays, "predict": model.predict(batches(), steps=count, verbose=0)}


def own_layer() -> Arrays:
    class Projection(Layer):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(shape[-1], 5), name="w", initializer="glorot_uniform")

        def call(self, x: Any) -> Any:
            self.add_loss(0.01 * ops.mean(ops.square(x)))
            return ops.tanh(ops.matmul(x, self.w))

    return trained(network(Projection()), x, y, "sparse_categorical_crossentropy", ["accuracy"])


def own_step() -> Arrays:
    class Own(Sequential):
        def train_step(self, data: Any) -> Any:
            x, y = data
            with fastgru.GradientTape() as tape:
                loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
            gradients = tape.gradient(loss, self.trainable_weights)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
            return {"loss": loss}

    layers = network(BatchNormalization(), Dropout(0.2)).layers
    return trained(Own(layers), x[:36], y[:36], "sparse_categorical_crossentropy")


def own_loop() -> Arrays:
    """Without `fit`: each process takes its rows, and the optimizer averages the gradients."""
    model, optimizer = network(), optimizers.Adam(0.01)
    number, count = distribution.rank(), distribution.size()
    for start in range(0, 36, 12):
        rows = slice(start + 12 * number // count, start + 12 * (number + 1) // count)
        with fastgru.GradientTape() as tape:
            loss = ops.mean(ops.square(model(x[rows], training=True) - one_hot[rows]))
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    return {f"weight {index}": value for index, value in enumerate(model.get_weights())}


def single_batches() -> Arrays:
    model = Sequential([Bidirectional(GRU(4), input_shape=(STEPS, FEATURES)), Dense(CLASSES)])
    model.compile("sgd", "mse", metrics=["mae"])
    numbers = [model.train_on_batch(x[:size], one_hot[:size]) for size in (5, 2, 1)]
    return {"numbers": np.array([*numbers, model.test_on_batch(x[:5], one_hot[:5])])}


def rows_computed() -> Arrays:
    """How many rows this process computes in each step of a training and of an evaluation."""
    seen: list[int] = []

    class Counting(Layer):
        def call(self, x: Any) -> Any:
            seen.append(len(x))
            return x

    model = network(Counting())
    model.compile("sgd", "sparse_categorical_crossentropy")
    begun = LambdaCallback(on_train_begin=lambda logs: seen.clear())  # it ran for the shapes of its outputs
    model.fit(x, y, batch_size=BATCH, verbose=0, validation_data=(x[:5], y[:5]), callbacks=[begun])
    return {"rows": np.array(seen)}


CASES: list[Callable[[], Arrays]] = [
    *(crossentropy, dropout, batch_normalization, masks, regularizers, sample_weights, weighted_mean, sum_of_rows),
    *(pairs_of_rows, own_loss, shuffled_lists, generator, own_layer, own_step, own_loop, single_batches, rows_computed),
]

if __name__ == "__main__":
    with distribution.DataParallel():
        arrays = {}
        for case in CASES:
            fastgru.random.seed_stream(3)
            arrays |= {f"{case.__name__}: {name}": value for name, value in case().items()}
        np.savez(sys.argv[1].format(rank=distribution.rank()), **arrays)
