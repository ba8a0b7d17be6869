"""Models with a `call` of one's own train, are evaluated and predict as in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import GradientTape, ops
from fastgru.layers import GRU, BatchNormalization, Dense, Dropout, Embedding


def row(K: Any) -> Any:
    class Row(K.Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.embedding = K.layers.Embedding(9, 4, mask_zero=True)
            self.run = K.layers.GRU(units)
            self.normalization = K.layers.BatchNormalization()
            self.out = K.layers.Dense(2)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.out(self.normalization(self.run(self.embedding(x)), training=training))

    return Row(5)


def two_ends(K: Any) -> Any:
    class TwoEnds(K.Model):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.a, self.b = K.layers.Embedding(9, 3), K.layers.Dense(3), K.layers.Dense(1)

        def call(self, inputs: Any) -> Any:
            z = self.a(inputs["numbers"]) + K.ops.mean(self.embedding(inputs["ids"]), axis=1)
            return {"first": z, "second": self.b(z)}

    return TwoEnds()


def pair(K: Any) -> Any:
    class Pair(K.Model):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = K.layers.Dense(3), K.layers.Dense(3, activation="tanh")

        def call(self, inputs: Any) -> Any:
            x, y = inputs
            return self.a(x) * self.b(y)

    return Pair()


RNG = np.random.default_rng(5)
IDS, NUMBERS = RNG.integers(0, 9, (12, 4)), RNG.normal(size=(12, 5)).astype("float32")
TARGETS = RNG.normal(size=(12, 2)).astype("float32")
MODELS = {
    "row": (row, IDS, TARGETS, "mse"),
    "two ends": (
        two_ends,
        {"numbers": NUMBERS, "ids": IDS},
        {"first": NUMBERS[:, :3], "second": TARGETS[:, :1]},
        {"first": "mse", "second": "mae"},
    ),
    "pair": (pair, [NUMBERS, NUMBERS[:, :2]], NUMBERS[:, :3], "mse"),
}


@pytest.mark.keras
@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_as_in_keras(keras: Any, name: str) -> None:
    make, x, y, loss = MODELS[name]
    models = [make(library) for library in (keras, fastgru)]
    for model in models:
        model.predict(x, verbose=0)
    models[1].set_weights(models[0].get_weights())
    results = []
    for library, model in zip((keras, fastgru), models, strict=True):
        model.compile(library.optimizers.SGD(0.02), loss)
        history = model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0).history
        numbers = [value for key in sorted(history) for value in history[key]]
        loss_of_all = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
        results.append([numbers, *keras.tree.flatten(model.predict(x, verbose=0)), loss_of_all])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.keras
@pytest.mark.parametrize("name", ["row", "pair"])
def test_a_tape_through_a_model_has_the_gradients_of_jax(keras: Any, name: str) -> None:
    import jax

    make, x, y, _ = MODELS[name]
    theirs, ours = make(keras), make(fastgru)
    for model in (theirs, ours):
        model.predict(x, verbose=0)
    ours.set_weights(theirs.get_weights())
    trained = [variable.value for variable in theirs.trainable_variables]
    others = [variable.value for variable in theirs.non_trainable_variables]

    def loss(weights: Any) -> Any:
        outputs, _ = theirs.stateless_call(weights, others, x)
        return keras.ops.mean((outputs - y) ** 2)

    expected = jax.grad(loss)(trained)
    with GradientTape() as tape:
        value = ops.mean((ours(x) - y) ** 2)
    for one, other in zip(tape.gradient(value, ours.trainable_variables), expected, strict=True):
        np.testing.assert_allclose(one, np.asarray(other), rtol=1e-4, atol=1e-6)


def built_in() -> Any:
    return fastgru.Sequential(
        [fastgru.Input((4,)), Embedding(9, 4, mask_zero=True), GRU(5), BatchNormalization(), Dropout(0.5), Dense(2)]
    )


@pytest.mark.parametrize("make", [built_in, lambda: row(fastgru)])
def test_a_step_by_hand_is_a_step_of_fit(make: Any) -> None:
    """The same gradients, with a persistent tape twice."""
    trained = []
    for by_hand in (False, True):
        fastgru.utils.set_random_seed(1)
        model = make()
        model.predict(IDS, verbose=0)
        for _ in range(3):
            if by_hand:
                with GradientTape(persistent=True) as tape:
                    loss = ops.mean(ops.square(model(IDS, training=True) - TARGETS))
                gradients = tape.gradient(loss, model.trainable_weights)
                again = tape.gradient(loss, model.trainable_weights)
                for weight, gradient, same in zip(model.trainable_weights, gradients, again, strict=True):
                    np.testing.assert_array_equal(gradient, same)
                    weight.assign(weight.value - 0.1 * gradient)
            else:
                model.compile(fastgru.optimizers.SGD(0.1), "mse")
                model.train_on_batch(IDS, TARGETS)
        trained.append(model.get_weights())
    for one, other in zip(*trained, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_model_is_a_layer_of_others() -> None:
    model = fastgru.Sequential([row(fastgru), Dense(1)])
    model.compile("adam", "mse")
    model.fit(IDS, TARGETS[:, :1], verbose=0)
    assert model.predict(IDS, verbose=0).shape == (12, 1)


@pytest.mark.parametrize(
    "loss",
    [
        lambda t, p: ops.mean(ops.square(p - t), axis=-1),
        lambda t, p: np.mean((p - t) ** 2, axis=-1),
        lambda t, p: ops.mean((t - p) * (t - p)),
    ],
)
def test_a_function_as_loss_trains_as_the_built_in_one(loss: Any) -> None:
    histories = []
    for one in ("mse", loss):
        fastgru.utils.set_random_seed(1)
        model = built_in()
        model.compile("sgd", one, metrics=[loss])
        histories.append(model.fit(IDS, TARGETS, epochs=3, batch_size=4, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*histories, rtol=1e-5)


def test_a_loss_that_does_not_depend_on_the_predictions_says_so() -> None:
    model = built_in()
    model.compile("sgd", lambda t, p: ops.mean(t, axis=-1))
    with pytest.raises(ValueError, match="does not depend on the predictions"):
        model.fit(IDS, TARGETS, verbose=0)


def test_a_class_of_a_graph_has_the_graph_and_its_own_methods() -> None:
    class Own(fastgru.Model):
        def double(self, x: Any) -> Any:
            return 2 * self(x)

    x = fastgru.Input((5,))
    model = Own(inputs=x, outputs=Dense(2)(x))
    model.compile("sgd", "mse")
    model.fit(NUMBERS, TARGETS, verbose=0)
    np.testing.assert_allclose(model.double(NUMBERS), 2 * model.predict(NUMBERS, verbose=0), rtol=1e-6)
