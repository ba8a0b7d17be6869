"""Training, evaluation and prediction do what Keras's do, on the same weights and the same data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_training import F, N, T, half, inputs, labels

import fastgru


def with_random_weights(model: Any, rng: np.random.Generator) -> Any:
    model.set_weights([rng.normal(size=w.shape).astype("float32") * 0.4 for w in model.get_weights()])
    return model


def binary(k: Any) -> Any:
    return k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4), k.layers.Dense(1, activation="sigmoid")])


def classes(k: Any) -> Any:
    return k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4), k.layers.Dense(3, activation="softmax")])


def logits(k: Any) -> Any:
    return k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4, reset_after=False), k.layers.Dense(3)])


def two_outputs(k: Any) -> Any:
    return k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4, activation="relu"), k.layers.Dense(2)])


def sequences(k: Any) -> Any:
    row = [k.layers.GRU(4, return_sequences=True), k.layers.GRU(3, return_sequences=True), k.layers.Dense(2)]
    return k.Sequential([k.layers.Input((T, F)), *row, k.layers.Activation("tanh")])


def penalised(k: Any) -> Any:
    gru = k.layers.GRU(
        4,
        kernel_regularizer="l2",
        recurrent_regularizer=k.regularizers.L1(0.003),
        bias_regularizer=k.regularizers.L1L2(0.01, 0.02),
        activity_regularizer=k.regularizers.L2(0.1),
        return_sequences=True,
    )
    dense = k.layers.Dense(2, kernel_regularizer=k.regularizers.L2(0.05), activity_regularizer="l1")
    return k.Sequential([k.layers.Input((T, F)), gru, k.layers.GRU(3), dense])


def frozen_below(k: Any) -> Any:
    gru = k.layers.GRU(4, return_sequences=True, kernel_regularizer="l2", trainable=False)
    return k.Sequential([k.layers.Input((T, F)), gru, k.layers.GRU(3), k.layers.Dense(1, activation="sigmoid")])


def frozen_above(k: Any) -> Any:
    dense = k.layers.Dense(1, activation="sigmoid", trainable=False)
    return k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4), dense])


def constrained(k: Any) -> Any:
    gru = k.layers.GRU(4, kernel_constraint=k.constraints.MaxNorm(0.5), recurrent_constraint="unit_norm")
    return k.Sequential([k.layers.Input((T, F)), gru, k.layers.Dense(1, kernel_constraint="non_neg")])


def nested(k: Any) -> Any:
    inner = k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4, return_sequences=True), k.layers.Dense(3)])
    return k.Sequential([inner, k.layers.GRU(3), k.layers.Dense(1, activation="sigmoid")])


def one_hot(rng: np.random.Generator) -> np.ndarray:
    return np.eye(3)[labels(rng)]


def numbers(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(N, 2)).astype("float32")


def number_sequences(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(N, T, 2)).astype("float32")


Compile = Callable[[Any], dict[str, Any]]
Fit = Callable[[np.random.Generator], dict[str, Any]]


def run_both(
    keras: Any, rng: np.random.Generator, build: Any, make_y: Any, compile_: Compile, fit: Fit | None = None
) -> None:
    x, y = inputs(rng), make_y(rng)
    options = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0} | (fit(rng) if fit else {})
    ours, theirs = build(fastgru), build(keras)
    ours.set_weights(with_random_weights(theirs, rng).get_weights())
    ours.compile(**compile_(fastgru))
    theirs.compile(**compile_(keras))
    result, expected = ours.fit(x, y, **options), theirs.fit(x, y, **options)
    assert list(result.history) == list(expected.history)
    assert result.epoch == expected.epoch
    assert result.params == expected.params
    for name, values in expected.history.items():
        np.testing.assert_allclose(result.history[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
        assert all(type(value) is float for value in result.history[name])
    for own, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-4)


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda k: "sgd",
    "momentum": lambda k: k.optimizers.SGD(0.05, momentum=0.9, clipvalue=0.1),
    "nesterov": lambda k: k.optimizers.SGD(0.05, momentum=0.8, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda k: "rmsprop",
    "centered": lambda k: k.optimizers.RMSprop(0.003, momentum=0.5, centered=True, global_clipnorm=0.5),
    "adam": lambda k: "adam",
    "amsgrad": lambda k: k.optimizers.Adam(0.01, amsgrad=True, clipnorm=0.1),
}


@pytest.mark.keras
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_as_in_keras(keras: Any, rng: np.random.Generator, optimizer: str) -> None:
    run_both(
        keras,
        rng,
        binary,
        half,
        lambda k: {"optimizer": OPTIMIZERS[optimizer](k), "loss": "binary_crossentropy", "metrics": ["accuracy"]},
        lambda rng: {"validation_split": 0.3},
    )


CASES: dict[str, tuple[Any, Any, Compile, Fit | None]] = {
    "labels": (
        classes,
        labels,
        lambda k: {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy", "ce"][:1]},
        None,
    ),
    "one_hot": (
        classes,
        one_hot,
        lambda k: {
            "optimizer": "adam",
            "loss": "crossentropy",
            "metrics": ["acc", "mse", k.metrics.CategoricalCrossentropy()],
        },
        lambda rng: {"validation_data": (inputs(rng), one_hot(rng)), "batch_size": 7},
    ),
    "logits": (
        logits,
        labels,
        lambda k: {
            "optimizer": "adam",
            "loss": k.losses.SparseCategoricalCrossentropy(from_logits=True),
            "metrics": [k.metrics.SparseCategoricalCrossentropy(from_logits=True, name="again"), "accuracy"],
        },
        None,
    ),
    "numbers": (
        two_outputs,
        numbers,
        lambda k: {"optimizer": "adam", "loss": "mse", "metrics": ["mae", "mean_squared_error"]},
        lambda rng: {"batch_size": None},
    ),
    "sum": (
        two_outputs,
        numbers,
        lambda k: {"optimizer": "sgd", "loss": k.losses.MeanAbsoluteError(reduction="sum"), "loss_weights": [0.1]},
        lambda rng: {"validation_split": 0.25, "validation_batch_size": 4},
    ),
    "sequences": (
        sequences,
        number_sequences,
        lambda k: {"optimizer": "adam", "loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mae", "mse"]},
        lambda rng: {"sample_weight": rng.random((N, T)).astype("float32"), "validation_split": 0.2},
    ),
    "sample_weight": (
        classes,
        one_hot,
        lambda k: {
            "optimizer": "adam",
            "loss": "categorical_crossentropy",
            "metrics": ["accuracy"],
            "weighted_metrics": ["accuracy", "mse"],
        },
        lambda rng: {
            "sample_weight": rng.random(N).astype("float32"),
            "validation_data": (inputs(rng), one_hot(rng), rng.random(N).astype("float32")),
        },
    ),
    "class_weight": (
        classes,
        labels,
        lambda k: {
            "optimizer": "adam",
            "loss": "sparse_categorical_crossentropy",
            "weighted_metrics": ["accuracy"],
        },
        lambda rng: {"class_weight": {0: 0.5, 2: 3.0}, "validation_split": 0.3},
    ),
    "class_weight_one_hot": (
        classes,
        one_hot,
        lambda k: {"optimizer": "adam", "loss": "categorical_crossentropy"},
        lambda rng: {"class_weight": {1: 2.0}},
    ),
    "penalised": (
        penalised,
        numbers,
        lambda k: {"optimizer": "adam", "loss": "mse", "loss_weights": 0.5, "metrics": ["mse"]},
        lambda rng: {"validation_split": 0.3},
    ),
    "frozen_below": (
        frozen_below,
        half,
        lambda k: {"optimizer": "adam", "loss": "binary_crossentropy"},
        None,
    ),
    "frozen_above": (
        frozen_above,
        half,
        lambda k: {"optimizer": "adam", "loss": "binary_crossentropy"},
        None,
    ),
    "constrained": (
        constrained,
        half,
        lambda k: {"optimizer": "adam", "loss": "mse"},
        None,
    ),
    "nested": (
        nested,
        half,
        lambda k: {"optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["accuracy"]},
        None,
    ),
    "steps": (
        binary,
        half,
        lambda k: {"optimizer": "adam", "loss": "binary_crossentropy"},
        lambda rng: {
            "steps_per_epoch": 3,
            "initial_epoch": 1,
            "epochs": 3,
            "validation_split": 0.5,
            "validation_steps": 2,
        },
    ),
    "validation_freq": (
        binary,
        half,
        lambda k: {"optimizer": "adam", "loss": "binary_crossentropy"},
        lambda rng: {"epochs": 5, "validation_split": 0.5, "validation_freq": 2},
    ),
    "validation_epochs": (
        binary,
        half,
        lambda k: {"optimizer": "adam", "loss": "binary_crossentropy"},
        lambda rng: {"epochs": 4, "validation_split": 0.5, "validation_freq": [1, 4]},
    ),
}


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_fit_gives_the_history_and_weights_of_keras(keras: Any, rng: np.random.Generator, case: str) -> None:
    run_both(keras, rng, *CASES[case])


@pytest.mark.keras
@pytest.mark.parametrize(
    ("metrics", "weighted"),
    [(None, None), (["accuracy"], None), (["accuracy", "mse"], ["mae", "mse"]), (["mse", "mse"], None)],
)
def test_evaluate_and_the_methods_on_a_batch_return_what_keras_returns(
    keras: Any, rng: np.random.Generator, metrics: Any, weighted: Any
) -> None:
    x, y, weight = inputs(rng), half(rng), rng.random(N).astype("float32")
    ours, theirs = binary(fastgru), binary(keras)
    ours.set_weights(with_random_weights(theirs, rng).get_weights())
    results = []
    for model in (ours, theirs):
        model.compile("sgd", "binary_crossentropy", metrics=metrics, weighted_metrics=weighted)
        results.append(
            [
                model.evaluate(x, y, verbose=0, batch_size=10),
                model.evaluate(x, y, verbose=0, sample_weight=weight, return_dict=True),
                model.evaluate(x, y, verbose=0, steps=2, batch_size=10),
                model.test_on_batch(x, y),
                model.test_on_batch(x, y, sample_weight=weight, return_dict=True),
                model.train_on_batch(x, y),
                model.train_on_batch(x, y, class_weight={0: 2.0, 1: 0.5}),
                model.train_on_batch(x, y, sample_weight=weight, return_dict=True),
                model.predict_on_batch(x),
                model.predict(x, verbose=0, batch_size=3, steps=2),
                model.predict(x, verbose=0),
            ]
        )
    for result, expected in zip(*results, strict=True):
        assert type(result) is type(expected)
        if isinstance(expected, dict):
            assert list(result) == list(expected)
            result, expected = list(result.values()), list(expected.values())
        if not isinstance(expected, np.ndarray):
            assert {type(value) for value in np.atleast_1d(np.array(result, object))} == {float}
        assert np.shape(result) == np.shape(expected)
        np.testing.assert_allclose(result, expected, rtol=1e-4)
    assert ours.metrics_names == theirs.metrics_names == [metric.name for metric in ours.metrics]
