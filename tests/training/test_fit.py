"""Training, evaluation and prediction do what Keras's do, on the same weights and the same data."""

from __future__ import annotations

import copy
import itertools
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from arrangements import ARRANGEMENTS

import fastgru
from fastgru import callbacks, random
from fastgru.layers import GRU, Activation, Dense, Dropout, Embedding, Input
from fastgru.models import Sequential

N, T, F = 44, 5, 3  # 44 samples: no batch size used here divides it


def inputs(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(N, T, F)).astype("float32")


def with_random_weights(model: Any, rng: np.random.Generator) -> Any:
    model.set_weights([rng.normal(size=w.shape).astype("float32") * 0.4 for w in model.get_weights()])
    return model


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("arrange", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_data_may_lie_in_memory_as_they_like(rng: np.random.Generator, arrange: Any, shuffle: bool) -> None:
    x, y = inputs(rng), rng.normal(size=(N, 2)).astype("float32")
    weights, results = None, []
    for form in (np.asarray, arrange):
        fastgru.utils.set_random_seed(1)
        model = Sequential([Input((T, F)), GRU(4), Dense(2)])
        weights = weights or model.get_weights()
        model.set_weights(weights)
        model.compile("adam", "mse")
        history = model.fit(form(x), form(y), 8, 2, shuffle=shuffle, verbose=0).history
        results.append([history["loss"], model.predict(form(x), verbose=0), model.layers[0](form(x))])
    for plain, arranged in zip(*results, strict=True):
        np.testing.assert_array_equal(arranged, plain)


# --- the same programs in both packages: `k` is fastgru or keras ------------------------------------


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


def half(rng: np.random.Generator) -> np.ndarray:
    return (rng.random((N, 1)) > 0.5).astype("float32")


def labels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 3, N)


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
    found, expected = ours.fit(x, y, **options), theirs.fit(x, y, **options)
    assert list(found.history) == list(expected.history)
    assert found.epoch == expected.epoch
    assert found.params == expected.params
    for name, values in expected.history.items():
        np.testing.assert_allclose(found.history[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
        assert all(type(value) is float for value in found.history[name])
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
    for found, expected in zip(*results, strict=True):
        assert type(found) is type(expected)
        if isinstance(expected, dict):
            assert list(found) == list(expected)
            found, expected = list(found.values()), list(expected.values())
        if not isinstance(expected, np.ndarray):
            assert {type(value) for value in np.atleast_1d(np.array(found, object))} == {float}
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert ours.metrics_names[0] == "loss"
    assert len(ours.metrics_names) == len(np.atleast_1d(results[0][0]))


# --- without Keras ----------------------------------------------------------------------------------


def test_the_first_program_of_the_introduction_learns(rng: np.random.Generator) -> None:
    model = Sequential()
    model.add(GRU(units=64, activation="tanh", input_shape=(10, 1)))
    model.add(Dense(units=1, activation="sigmoid"))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    x = rng.random((1000, 10, 1))
    y = x.mean(axis=1) > 0.5
    history = model.fit(x, y, batch_size=32, epochs=10, verbose=0)
    assert history is model.history
    assert history.history["accuracy"][-1] > 0.8
    assert history.history["loss"][-1] < history.history["loss"][0]


def trained(seed: int, **options: Any) -> tuple[dict[str, list[float]], list[np.ndarray]]:
    fastgru.utils.set_random_seed(seed)
    rng = np.random.default_rng(5)
    x, y = inputs(rng), labels(rng)
    model = Sequential(
        [
            GRU(4, return_sequences=True, dropout=0.2, input_shape=(T, F)),
            GRU(3),
            Dropout(0.3),
            Dense(3),
            Activation("softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, validation_split=0.2, **options)
    return history.history, model.get_weights()


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(shuffle: Any) -> None:
    history, weights = trained(3, shuffle=shuffle)
    again, same = trained(3, shuffle=shuffle)
    _, other = trained(4, shuffle=shuffle)
    assert history == again
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(weights, other, strict=True))


def test_the_number_of_threads_changes_no_bit() -> None:
    results = []
    for count in (1, 2, 4):
        fastgru.set_num_threads(count)
        try:
            results.append(trained(3))
        finally:
            fastgru.set_num_threads(None)
    for history, weights in results[1:]:
        assert history == results[0][0]
        assert all(np.array_equal(a, b) for a, b in zip(weights, results[0][1], strict=True))


def test_a_step_of_gradient_descent_follows_central_differences_of_the_whole_loss(rng: np.random.Generator) -> None:
    dtype = "float64"
    model = Sequential(
        [
            Input((T, F)),
            GRU(3, return_sequences=True, kernel_regularizer="l2", activity_regularizer="l2", dtype=dtype),
            GRU(2, dtype=dtype),
            Dense(2, activation="softmax", activity_regularizer="l2", dtype=dtype),
        ]
    )
    model.compile(fastgru.optimizers.SGD(1.0), "sparse_categorical_crossentropy", loss_weights=0.7)
    x, y, weight = rng.normal(size=(6, T, F)), rng.integers(0, 2, 6), rng.random(6)
    before = [rng.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights(before)
    model.train_on_batch(x, y, sample_weight=weight)
    gradients = [old - new for old, new in zip(before, model.get_weights(), strict=True)]
    for index, gradient in enumerate(gradients):
        for place in np.ndindex(gradient.shape):
            losses = []
            for step in (1e-5, -1e-5):
                moved = [w.copy() for w in before]
                moved[index][place] += step
                model.set_weights(moved)
                losses.append(model.test_on_batch(x, y, sample_weight=weight))
            assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(gradient[place], rel=1e-5, abs=1e-8)


def small(**compiled: Any) -> Sequential:
    model = Sequential([Input((T, F)), GRU(4), Dense(1, activation="sigmoid")])
    model.compile(**({"optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["accuracy"]} | compiled))
    return model


def test_a_sample_counts_as_much_in_a_short_last_batch(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    model = small(metrics=["mse"])
    whole = model.evaluate(x, y, batch_size=N, verbose=0)
    for size in (1, 7, 32, 1000):
        np.testing.assert_allclose(model.evaluate(x, y, batch_size=size, verbose=0), whole, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 7, 32, None])
def test_predictions_do_not_depend_on_the_batch_size(rng: np.random.Generator, size: int | None) -> None:
    x = rng.normal(size=(700, T, F))
    model = small()
    np.testing.assert_allclose(
        model.predict(x, batch_size=size, verbose=0), np.concatenate([model(row[None]) for row in x]), rtol=1e-5
    )


def test_predict_takes_no_more_tokens_at_a_time_than_fit_its_memory() -> None:
    model = Sequential([Embedding(50, 16), GRU(256, return_sequences=True)])
    seen: list[int] = []
    forward = model.forward
    model.forward = lambda call, x: seen.append(len(x)) or forward(call, x)  # type: ignore[method-assign, func-returns-value]
    model.predict(np.ones((20, 2000), "int32"), batch_size=1, verbose=0)
    assert seen == [2] * 10  # 2 rows of 2000 steps of 3 * 256 gates


def test_predictions_are_new_arrays(rng: np.random.Generator) -> None:
    x = inputs(rng)
    model = small()
    for run in (lambda x: model.predict(x, verbose=0), model.predict_on_batch, model):
        first = run(x)
        kept = first.copy()
        run(-x)
        assert np.array_equal(first, kept)


def test_several_threads_predict_with_one_model_at_once(rng: np.random.Generator) -> None:
    model = small()
    data = [rng.normal(size=(int(size), T, F)).astype("float32") for size in rng.integers(1, 300, 8)]
    expected = [model.predict(x, verbose=0) for x in data]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(20):
            if not np.array_equal(model.predict(data[index], verbose=0), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(data))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_stateful_model_goes_on_from_batch_to_batch_until_it_is_reset(rng: np.random.Generator) -> None:
    # Keras with JAX forgets the states between the batches of one call, so it is no oracle here
    gru = GRU(3, stateful=True)
    model = Sequential([Input(batch_shape=(4, T, F)), gru, Dense(2)])
    model.compile("sgd", "mse")
    parts = rng.normal(size=(3, 4, T, F))
    plain = Sequential([Input((3 * T, F)), GRU(3), Dense(2)])
    plain.set_weights(model.get_weights())
    expected = plain.predict(np.concatenate(parts, axis=1), verbose=0)
    for _ in range(2):
        found = model.predict(np.concatenate(parts), batch_size=4, verbose=0)
        np.testing.assert_allclose(found[-4:], expected, rtol=1e-5, atol=1e-6)
        gru.reset_states()
    model.fit(np.concatenate(parts), rng.normal(size=(12, 2)), batch_size=4, shuffle=False, verbose=0)
    assert gru.states[0].any()
    for wrong in (3, 5, 8):
        x, y = rng.normal(size=(wrong, T, F)), rng.normal(size=(wrong, 2))
        for attempt in (model, lambda x: model.predict(x, verbose=0), lambda x, y=y: model.fit(x, y, verbose=0)):
            with pytest.raises(ValueError, match=f"batches of exactly 4 samples, got {wrong} samples"):
                attempt(x)


def test_training_leaves_the_data_as_they_were(rng: np.random.Generator) -> None:
    x, y, weight = inputs(rng), half(rng), rng.random(N).astype("float32")
    kept = x.copy(), y.copy(), weight.copy()
    small().fit(x, y, sample_weight=weight, batch_size=8, epochs=2, validation_split=0.2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(kept, (x, y, weight), strict=True))


def test_frozen_layers_stay_and_their_optimizer_state_does_not_exist(rng: np.random.Generator) -> None:
    model = small()
    model.layers[0].trainable = False
    model.compile("adam", "binary_crossentropy")
    before = model.get_weights()
    model.fit(inputs(rng), half(rng), verbose=0)
    after = model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before[:3], after[:3], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(before[3:], after[3:], strict=True))
    assert len(model.optimizer.variables()) == 2 + 2 * 2


def test_two_models_that_share_a_layer_train_the_same_weights(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    shared = GRU(4, input_shape=(T, F))
    first, second = Sequential([shared, Dense(1)]), Sequential([shared, Dense(1)])
    first.compile("sgd", "mse")
    second.compile("sgd", "mse")
    for _ in range(2):
        for model in (first, second):
            before = shared.get_weights()
            model.fit(x, y, verbose=0)
            assert not np.array_equal(before[0], shared.get_weights()[0])
            np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])


class Stop(callbacks.Callback):
    def __init__(self, epoch: int, batch: int | None = None, error: type[BaseException] | None = None) -> None:
        self.epoch, self.batch, self.error = epoch, batch, error
        self.now = 0
        self.calls: list[str] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.now = epoch

    def stop(self) -> None:
        if self.error:
            raise self.error
        self.model.stop_training = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(f"{self.now}.{batch}")
        if (self.now, batch) == (self.epoch, self.batch):
            self.stop()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.batch is None and epoch == self.epoch:
            self.stop()


def test_a_callback_may_train_another_model_that_shares_a_layer(rng: np.random.Generator) -> None:
    x, shared = inputs(rng), GRU(4)
    one, other = (Sequential([Input((T, F)), shared, Dense(units)]) for units in (2, 1))
    seen: list[np.ndarray] = []

    class TrainTheOther(callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(shared.kernel.numpy())

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(shared.kernel.numpy())
            other.train_on_batch(x, np.ones((N, 1)))

    for model in (one, other):
        model.compile("sgd", "mse")
    one.fit(x, np.ones((N, 2)), batch_size=11, verbose=0, callbacks=[TrainTheOther()])
    seen.append(shared.kernel.numpy())
    assert all(not np.array_equal(before, after) for before, after in itertools.pairwise(seen))


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "crossentropy"])
def test_targets_that_were_refused_settle_nothing(rng: np.random.Generator, loss: str) -> None:
    model = Sequential([Input((5,)), Dense(3, activation="softmax")])
    model.compile("sgd", loss, metrics=["accuracy"])
    x = rng.normal(size=(6, 5))
    with pytest.raises(ValueError, match="expected labels"):
        model.fit(x, np.full(6, 7), verbose=0)
    kinds = rng.integers(0, 3, 6)
    _, accuracy = model.evaluate(x, np.eye(3)[kinds], verbose=0)
    assert accuracy == pytest.approx(np.mean(model(x).argmax(1) == kinds))


def test_a_callback_may_call_the_model_as_in_training(rng: np.random.Generator) -> None:
    model = Sequential([Input((5,)), Dropout(0.5)])
    model.compile("sgd", "mse")
    x = rng.normal(size=(6, 5))

    class Calls(callbacks.Callback):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            model(x, training=True)

        on_test_batch_end = on_predict_batch_end

    options: dict[str, Any] = {"batch_size": 2, "callbacks": [Calls()], "verbose": 0}
    np.testing.assert_array_equal(model.predict(x, **options), x.astype("float32"))
    assert model.evaluate(x, x, **options) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("run", ["fit", "predict"])
def test_a_stateful_model_without_a_shape_is_built_for_the_batch_size(rng: np.random.Generator, run: str) -> None:
    model = Sequential([GRU(2, stateful=True), Dense(1)])
    model.compile("sgd", "mse")
    if run == "fit":
        model.fit(inputs(rng), np.ones(N), batch_size=11, verbose=0)
    else:
        model.predict(inputs(rng), batch_size=11, verbose=0)
    assert model.input_shape == (11, T, F)


def test_stop_training_ends_after_the_batch_or_the_epoch(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    in_batch, in_epoch = Stop(1, 2), Stop(1)
    model = small()
    assert model.fit(x, y, batch_size=8, epochs=5, verbose=0, callbacks=[in_batch]).epoch == [0, 1]
    assert in_batch.calls[-1] == "1.2"
    assert model.fit(x, y, batch_size=8, epochs=5, verbose=0, callbacks=in_epoch).epoch == [0, 1]
    assert model.fit(x, y, batch_size=8, epochs=5, verbose=0).epoch == [0, 1, 2, 3, 4]


def test_an_interrupted_training_leaves_a_model_to_go_on_with(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    model = small()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=8, verbose=0, epochs=3, callbacks=[Stop(1, 2, KeyboardInterrupt)])
    assert model.optimizer.iterations == 6 + 3
    assert np.isfinite(model.predict(x, verbose=0)).all()
    loss = model.evaluate(x, y, verbose=0)[0]
    model.fit(x, y, batch_size=8, verbose=0, epochs=20)
    assert model.evaluate(x, y, verbose=0)[0] < loss


def test_an_interrupt_right_behind_an_update_leaves_no_old_weights_to_predict_with(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = inputs(rng), half(rng)
    model = small()
    model.predict(x, verbose=0)
    update = model.optimizer._update

    def interrupted(*arguments: Any) -> None:
        update(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(model.optimizer, "_update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0)
    fresh = small()
    fresh.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), fresh.predict(x, verbose=0))


class Recorder(callbacks.Callback):
    def __init__(self) -> None:
        self.events: list[Any] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_") and "batch" not in name:
            return lambda *arguments: self.events.append((name, *arguments[:-1], sorted(arguments[-1] or {})))
        if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):
            return lambda batch, logs=None: self.events.append((name, batch, sorted(logs or {})))
        return super().__getattribute__(name)


def test_callbacks_are_called_in_the_order_of_keras(rng: np.random.Generator) -> None:
    recorder = Recorder()
    model = small(metrics=None)
    model.fit(inputs(rng), half(rng), batch_size=20, verbose=0, validation_split=0.4, callbacks=[recorder])
    model.predict(inputs(rng), batch_size=40, verbose=0, callbacks=[recorder])
    assert recorder.events == [
        ("on_train_begin", []),
        ("on_epoch_begin", 0, []),
        ("on_train_batch_begin", 0, []),
        ("on_train_batch_end", 0, ["loss"]),
        ("on_train_batch_begin", 1, []),
        ("on_train_batch_end", 1, ["loss"]),
        ("on_test_begin", []),
        ("on_test_batch_begin", 0, []),
        ("on_test_batch_end", 0, ["loss"]),
        ("on_test_end", ["loss"]),
        ("on_epoch_end", 0, ["loss", "val_loss"]),
        ("on_train_end", ["loss", "val_loss"]),
        ("on_predict_begin", []),
        ("on_predict_batch_begin", 0, []),
        ("on_predict_batch_end", 0, ["outputs"]),
        ("on_predict_batch_begin", 1, []),
        ("on_predict_batch_end", 1, ["outputs"]),
        ("on_predict_end", []),
    ]


def test_what_on_batch_end_sees_is_the_running_mean(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    seen: list[dict[str, float]] = []

    class Legacy(callbacks.Callback):
        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs)

    history = small().fit(x, y, batch_size=20, verbose=0, callbacks=[Legacy()]).history
    assert len(seen) == 3
    assert {name: [value] for name, value in seen[-1].items()} == history


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copied_model_predicts_the_same_and_trains_on_its_own(rng: np.random.Generator, clone: Any) -> None:
    x, y = inputs(rng), half(rng)
    model = small()
    model.fit(x, y, verbose=0)
    twin = clone(model)
    before, size = model.get_weights(), len(pickle.dumps(model))
    assert np.array_equal(model.predict(x, verbose=0), twin.predict(x, verbose=0))
    assert len(pickle.dumps(model)) == size  # what predictions keep is no part of it
    twin.fit(x, y, verbose=0, shuffle=False)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.fit(x, y, verbose=0, shuffle=False)
    assert all(np.array_equal(a, b) for a, b in zip(twin.get_weights(), model.get_weights(), strict=True))
    states = [[value for _, value in one.optimizer.variables()] for one in (twin, model)]
    assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.parametrize("run", ["fit", "evaluate"])
def test_data_that_run_out_are_told_of_where_the_run_was_called(rng: np.random.Generator, run: str) -> None:
    model, steps = small(), {"fit": "steps_per_epoch", "evaluate": "steps"}[run]
    with pytest.warns(UserWarning, match="ran out after 3 of 9 steps") as warned:
        getattr(model, run)(inputs(rng), half(rng), batch_size=20, verbose=0, **{steps: 9})
    assert [warning.filename for warning in warned] == [__file__]


def test_shuffling_draws_from_the_packages_stream(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    model = small()
    start = model.get_weights()

    def loss(seed: int, shuffle: Any) -> float:
        model.set_weights(start)
        model.compile("sgd", "binary_crossentropy")
        random.seed_stream(seed)
        return model.fit(x, y, batch_size=8, verbose=0, shuffle=shuffle).history["loss"][0]

    assert loss(1, True) == loss(1, True) != loss(2, True)
    assert loss(1, False) == loss(2, False)
