"""Steps and losses of one's own replace those of fit, evaluate and predict, as in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import GradientTape, ops

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(20, 4)).astype("float32"), RNG.normal(size=(20, 2)).astype("float32")
WEIGHTS = RNG.uniform(0.5, 2, 20).astype("float32")


def graph(cls: Any, K: Any = fastgru) -> Any:
    x = K.Input((4,))
    return cls(x, K.layers.Dense(2)(K.layers.Dense(3, activation="tanh", kernel_regularizer="l2")(x)))


def two_alike(first: Any, second: Any) -> tuple[Any, Any]:
    a, b = graph(first), graph(second)
    b.set_weights(a.get_weights())
    for model in (a, b):
        model.compile(fastgru.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return a, b


def by_hand(loss_of: Any) -> Any:
    class ByHand(fastgru.Model):
        def train_step(self, data: Any) -> Any:
            x, y = data[:2]
            with GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = loss_of(self, x, y, y_pred, data[2] if len(data) > 2 else None)
            weights = self.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    return ByHand


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_step_by_hand_does_what_fit_does(weights: Any) -> None:
    step = by_hand(lambda model, x, y, y_pred, w: model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=w))
    plain, own = two_alike(fastgru.Model, step)
    histories = [
        model.fit(X, Y, epochs=3, batch_size=10, sample_weight=weights, shuffle=False, verbose=0,
                  validation_data=(X, Y)).history
        for model in (plain, own)
    ]  # fmt: skip
    assert sorted(histories[0]) == sorted(histories[1])
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-5)
    for one, other in zip(plain.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_step_may_compute_its_loss_itself_and_say_what_it_likes() -> None:
    class Own(fastgru.Model):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.mean = fastgru.metrics.Mean(name="loss")

        @property
        def metrics(self) -> Any:
            return [self.mean]

        def train_step(self, data: Any) -> Any:
            x, y = data
            with GradientTape() as tape:
                loss = ops.mean(ops.square(self(x, training=True) - y))
            weights = self.trainable_weights
            self.optimizer.apply(tape.gradient(loss, weights), weights)
            self.mean.update_state(loss)
            return {"loss": self.mean.result(), "twice": 2 * self.mean.result()}

        def test_step(self, data: Any) -> Any:
            x, y = data
            self.mean.update_state(ops.mean(ops.abs(self(x) - y)))
            return {"loss": self.mean.result()}

        def predict_step(self, data: Any) -> Any:
            return {"doubled": 2 * self(data[0])}

    model = graph(Own)
    model.compile("adam")
    history = model.fit(X, Y, epochs=4, batch_size=10, verbose=0, validation_data=(X, Y)).history
    assert sorted(history) == ["loss", "twice", "val_loss"]
    assert history["loss"][-1] < history["loss"][0]
    assert history["twice"][0] == pytest.approx(2 * history["loss"][0])
    predictions = model.predict(X, verbose=0)["doubled"]
    np.testing.assert_allclose(predictions, 2 * np.asarray(model(X)), rtol=1e-6)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(np.abs(predictions / 2 - Y).mean(), rel=1e-5)


@pytest.mark.keras
def test_compute_loss_of_ones_own_is_minimized_as_in_keras(keras: Any) -> None:
    def own(K: Any) -> Any:
        class Own(K.Model):
            def compute_loss(
                self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
            ) -> Any:
                return K.ops.mean(K.ops.abs(y - y_pred)) + 0.01 * K.ops.mean(y_pred**2) + sum(self.losses)

        return Own

    theirs, ours = graph(own(keras), keras), graph(own(fastgru))
    ours.set_weights(theirs.get_weights())
    histories = []
    for library, model in ((keras, theirs), (fastgru, ours)):
        model.compile(library.optimizers.SGD(0.1), metrics=["mae"])
        history = model.fit(X, Y, epochs=3, batch_size=10, shuffle=False, verbose=0).history
        histories.append((history, model.evaluate(X, Y, verbose=0, return_dict=True)))
    for one, other in zip(*histories, strict=True):
        assert sorted(one) == sorted(other)
        for name in one:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-4)


def test_a_model_without_call_and_targets_trains_by_its_step() -> None:
    class Adversaries(fastgru.Model):
        def __init__(self) -> None:
            super().__init__()
            self.generator = fastgru.Sequential([fastgru.Input((2,)), fastgru.layers.Dense(4)])
            self.critic = fastgru.Sequential([fastgru.Input((4,)), fastgru.layers.Dense(1)])

        def train_step(self, real: Any) -> Any:
            (real,) = real
            noise = ops.ones((len(real), 2))
            with GradientTape() as tape:
                loss = ops.mean(self.critic(self.generator(noise)) ** 2) + ops.mean((self.critic(real) - 1) ** 2)
            weights = self.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return {"loss": loss}

    model = Adversaries()
    model.compile(fastgru.optimizers.SGD(0.05))
    losses = model.fit(X, epochs=5, batch_size=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_what_a_step_must_not_do_is_refused() -> None:
    class Silent(fastgru.Model):
        def train_step(self, data: Any) -> Any:
            return None

    model = graph(Silent)
    with pytest.raises(ValueError, match="training needs an optimizer"):
        model.compile(None)
        model.fit(X, Y, verbose=0)
    model.compile("sgd")
    with pytest.raises(ValueError, match="train_step: expected a dict of numbers by name, got None"):
        model.fit(X, Y, verbose=0)
    x = fastgru.Input((4,))
    model = fastgru.Model(x, fastgru.layers.Dense(1)(x))
    with pytest.raises(ValueError, match="no loss to compute"):
        model.compute_loss(X, Y, model(X))


class AddsLoss(fastgru.layers.Layer):
    def call(self, x: Any) -> Any:
        self.add_loss(0.1 * fastgru.ops.mean(fastgru.ops.square(x)))
        return x


@pytest.mark.keras
def test_losses_that_layers_add_are_enough_to_train_by(keras: Any, rng: np.random.Generator) -> None:
    class AddsLossInKeras(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(0.1 * keras.ops.mean(keras.ops.square(x)))
            return x

    x, weights = rng.normal(size=(12, 4)).astype("float32"), [rng.normal(size=s) for s in ((4, 2), 2, (2, 1), 1)]
    results = []
    for k, adds in ((fastgru, AddsLoss), (keras, AddsLossInKeras)):
        model = k.Sequential([k.layers.Input((4,)), k.layers.Dense(2), adds(), k.layers.Dense(1)])
        model.set_weights(weights)
        model.compile(k.optimizers.SGD(0.1))
        losses = model.fit(x, np.zeros((12, 1)), 5, 3, shuffle=False, verbose=0).history["loss"]
        results.append([*losses, *(np.asarray(w).ravel() for w in model.get_weights())])
    np.testing.assert_allclose(np.hstack(results[0]), np.hstack(results[1]), rtol=1e-5, atol=1e-6)


def test_a_model_without_any_loss_is_not_trained() -> None:
    model = fastgru.Sequential([fastgru.layers.Input((4,)), fastgru.layers.Dense(2)])
    model.compile("sgd")
    with pytest.raises(ValueError, match="training needs an optimizer and a loss"):
        model.fit(np.ones((3, 4)), np.ones((3, 2)), verbose=0)


class Watched(fastgru.Model):
    """Keeps a metric of its own, and a layer with one."""

    def __init__(self) -> None:
        super().__init__()
        self.means = fastgru.metrics.Mean(name="means")
        self.dense = fastgru.layers.Dense(1, kernel_initializer="ones")

    def call(self, x: Any) -> Any:
        self.means.update_state(fastgru.ops.mean(x))
        return self.dense(x)


def test_metrics_in_attributes_are_logged_and_begin_anew_each_epoch(rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 4)).astype("float32")
    model = Watched()
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(x, x[:, :1], 3, 2, verbose=0, shuffle=False, validation_data=(2 * x, x[:, :1])).history
    assert [metric.name for metric in model.metrics] == ["loss", "compile_metrics", "means"]
    assert sorted(history) == ["loss", "mae", "means", "val_loss", "val_mae", "val_means"]
    np.testing.assert_allclose(history["means"], [x.mean()] * 2, rtol=1e-5)
    np.testing.assert_allclose(history["val_means"], [2 * x.mean()] * 2, rtol=1e-5)


def test_a_compute_loss_without_training_is_called_without_it_also_of_a_sequential_class() -> None:
    class Doubled(fastgru.Sequential):
        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
            return 2 * super().compute_loss(x, y, y_pred, sample_weight)

    losses = []
    for cls in (fastgru.Sequential, Doubled):
        model = cls([fastgru.layers.Input((4,)), fastgru.layers.Dense(1, kernel_initializer="ones")])
        model.compile("sgd", "mse")
        losses.append(model.test_on_batch(np.ones((3, 4)), np.zeros((3, 1))))
    assert losses[1] == pytest.approx(2 * losses[0])
