"""A training learns, by right gradients, the same each time, and leaves alone what is not its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arrangements import ARRANGEMENTS
from small_training import F, N, T, half, inputs, labels, small

import fastgru
from fastgru import random
from fastgru.layers import GRU, Activation, Dense, Dropout, Input
from fastgru.models import Sequential


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


def test_a_sample_counts_as_much_in_a_short_last_batch(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    model = small(metrics=["mse"])
    whole = model.evaluate(x, y, batch_size=N, verbose=0)
    for size in (1, 7, 32, 1000):
        np.testing.assert_allclose(model.evaluate(x, y, batch_size=size, verbose=0), whole, rtol=1e-6)


def test_training_leaves_the_data_as_they_were(rng: np.random.Generator) -> None:
    x, y, weight = inputs(rng), half(rng), rng.random(N).astype("float32")
    before = x.copy(), y.copy(), weight.copy()
    small().fit(x, y, sample_weight=weight, batch_size=8, epochs=2, validation_split=0.2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, (x, y, weight), strict=True))


def test_frozen_layers_stay_and_their_optimizer_state_does_not_exist(rng: np.random.Generator) -> None:
    model = small()
    model.layers[0].trainable = False
    model.compile("adam", "binary_crossentropy")
    before = model.get_weights()
    model.fit(inputs(rng), half(rng), verbose=0)
    after = model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before[:3], after[:3], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(before[3:], after[3:], strict=True))
    assert len(model.optimizer.variables) == 2 + 2 * 2


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
