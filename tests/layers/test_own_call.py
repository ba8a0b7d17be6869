"""Layers with a `call` of one's own compute, learn, and are listed as in Keras."""

from __future__ import annotations

import copy
import pickle
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from layer_checks import gradients_hold
from own_programs import PROGRAMS, data

import fastgru
from fastgru import ops
from fastgru.layers import GRU, Dense, Dropout, Embedding, Input, Lambda, Layer, Masking


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:.*mask")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_does_what_it_does_on_keras(keras: Any, program: Any) -> None:
    theirs, ours = program(keras), program(fastgru)
    assert [tensor.shape for tensor in ours.outputs] == [tuple(tensor.shape) for tensor in theirs.outputs]
    assert [weight.shape for weight in ours.weights] == [tuple(weight.shape) for weight in theirs.weights]
    ours.set_weights(theirs.get_weights())
    x, y = data(ours)
    histories = []
    for library, model in ((keras, theirs), (fastgru, ours)):
        predictions = model.predict(x, verbose=0)
        model.compile(library.optimizers.SGD(0.02), "mse")
        losses = model.fit(x, y, epochs=4, batch_size=6, shuffle=False, verbose=0).history["loss"]
        histories.append((predictions, losses, model.evaluate(x, y, verbose=0)))
    for one, other in zip(*(keras.tree.flatten(history) for history in histories), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


class Attentive(Layer):
    def __init__(self, units: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.query = Dense(units, dtype=kwargs.get("dtype"))
        self.run = GRU(units, return_sequences=True, dtype=kwargs.get("dtype"))

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, x: Any, mask: Any = None) -> Any:
        h = self.run(x * self.scale, mask=mask)
        scores = ops.einsum("btu,bsu->bts", self.query(h), h)
        self.add_loss(0.1 * ops.mean(scores**2))
        return ops.softmax(scores) @ h


def test_gradients_of_a_layer_of_ops_and_layers_hold(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 4, 3))
    layer = Attentive(dtype="float64")
    layer(x)
    gradients_hold(layer, rng, x)
    mask = np.array([[True, True, False, False], [True, True, True, True]])
    gradients_hold(layer, rng, x, masks=[mask])


def test_layers_and_variables_in_attributes_are_tracked_as_they_come_and_go() -> None:
    class Holder(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first = Dense(2)
            self.more: list[Any] = []
            self.named = {"a": (Dense(2), "text")}
            self.free = fastgru.Variable([1.0], name="free")
            self.constant = fastgru.Variable([1.0], trainable=False)

        def call(self, x: Any) -> Any:
            return self.first(x) + self.named["a"][0](x) * self.free

    layer = Holder()
    assert len(layer.weights) == 2
    layer(np.ones((1, 3)))
    assert [weight.shape for weight in layer.trainable_weights] == [(1,), (3, 2), (2,), (3, 2), (2,)]
    assert len(layer.non_trainable_variables) == 1
    layer.more.append(Dense(1))
    layer.more[0](np.ones((1, 3)))
    assert len(layer.weights) == 8
    del layer.more[0]
    assert len(layer.variables) == 6
    layer.trainable = False
    assert layer.trainable_variables == []
    assert not layer.first.trainable


def test_an_eager_call_hands_masks_on_as_a_model_does() -> None:
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    embedding, gru = Embedding(5, 3, mask_zero=True), GRU(2)
    assert embedding(ids)._keras_mask.tolist() == [[True, True, False], [True, False, False]]
    expected = fastgru.Sequential([embedding, gru]).predict(ids, verbose=0)
    np.testing.assert_array_equal(gru(embedding(ids)), expected)
    x = np.array([[[1.0], [0.0]]], "float32")
    masked = Masking()(x)
    assert Dense(2)(masked)._keras_mask.tolist() == [[True, False]]
    assert GRU(2)(masked)._keras_mask is None
    state = np.zeros((1, 2), "float32")
    both = GRU(2, return_sequences=True)
    np.testing.assert_array_equal(both(masked, initial_state=state), both(np.asarray(masked), initial_state=state))


def test_training_reaches_the_layers_inside_unless_they_are_told_otherwise() -> None:
    class Dropping(Layer):
        def __init__(self, says: Any) -> None:
            super().__init__()
            self.drop, self.says = Dropout(0.5), says

        def call(self, x: Any, training: bool | None = None) -> Any:
            return self.drop(x, **self.says)

    x = np.ones((4, 50), "float32")
    for says, drops in (({}, True), ({"training": False}, False)):
        layer = Dropping(says)
        assert (np.asarray(layer(x)) == 1).all()
        assert bool((np.asarray(layer(x, training=True)) == 0).any()) == drops
        model = fastgru.Sequential([Input((50,)), layer])
        assert (model.predict(x, verbose=0) == 1).all()
        assert bool((np.asarray(model(x, training=True)) == 0).any()) == drops


def test_masks_follow_compute_mask_and_supports_masking() -> None:
    class Plain(Layer):
        def call(self, x: Any) -> Any:
            return x * 2

    class Halving(Plain):
        def call(self, x: Any) -> Any:
            return x[:, ::2]

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return None if mask is None else mask[:, ::2]

    x = Masking()(np.array([[[1.0], [0.0], [2.0], [0.0]]], "float32"))
    plain = Plain()
    with pytest.warns(UserWarning, match="does not pass masks on"):
        assert plain(x)._keras_mask is None
    plain.supports_masking = True
    assert plain(x)._keras_mask.tolist() == [[True, False, True, False]]
    assert Halving()(x)._keras_mask.tolist() == [[True, True]]


def test_the_config_of_a_layer_is_that_of_its_arguments() -> None:
    layer = Attentive(4, name="a")
    assert layer.get_config() == {**Layer(name="a").get_config(), "units": 4}
    assert Attentive.from_config(layer.get_config()).units == 4


def test_a_layer_without_call_and_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Layer 'empty' defines neither call nor forward"):
        Layer(name="empty")(np.ones((1, 2)))


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_has_its_own_weights(clone: Any) -> None:
    layer = Attentive()
    x = np.ones((1, 2, 3), "float32")
    expected = np.array(layer(x))
    again = clone(layer)
    layer.set_weights([weight * 0 for weight in layer.get_weights()])
    np.testing.assert_array_equal(again(x), expected)


def test_a_lambda_says_its_shape_or_has_it_found() -> None:
    assert Lambda(lambda x: x[:, 1:]).compute_output_shape((None, 4, 3)) == (None, 3, 3)
    assert Lambda(lambda x: x, output_shape=(7,)).compute_output_shape((None, 4)) == (None, 7)
    assert Lambda(lambda x: x, output_shape=lambda shape: (*shape, 2)).compute_output_shape((None, 4)) == (None, 4, 2)
    with pytest.raises(ValueError, match="expected a function, got 'code'"):
        Lambda("code")  # type: ignore[arg-type]


def test_threads_call_a_layer_at_once() -> None:
    layer = Attentive()
    x = np.random.default_rng(0).normal(size=(3, 4, 3)).astype("float32")
    expected = np.array(layer(x))
    results: list[Any] = []

    def work() -> None:
        for _ in range(20):
            with fastgru.GradientTape() as tape:
                y = layer(x)
            tape.gradient(y, layer.trainable_weights)
            results.append(np.array_equal(y, expected))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 80


def test_no_mask_no_warning() -> None:
    class Plain(Layer):
        def call(self, x: Any) -> Any:
            return x

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Plain()(np.ones((1, 2)))


def counting(library: Any) -> list[tuple[Any, Any]]:
    """Two models with a layer that counts its calls, those in training by ones and others by hundreds."""

    class Counting(library.layers.Layer):  # type: ignore[misc]
        def build(self, input_shape: Any) -> None:
            self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

        def call(self, x: Any, training: bool = False) -> Any:
            self.count.assign(self.count + (1 if training else 100))
            return x * self.scale

    class Around(library.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inside, self.last = Counting(), library.layers.Dense(1)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.last(self.inside(x, training=training))

    counting, around = Counting(), Around()
    row = library.Sequential([library.layers.Input((3,)), counting, library.layers.Dense(1)])
    return [(row, lambda: counting.count), (around, lambda: around.inside.count)]


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:__array__")
def test_a_layer_counts_its_calls_as_on_keras(keras: Any) -> None:
    counts: list[list[float]] = [[], []]
    x, y = np.ones((12, 3)), np.ones((12, 1))
    for library, ours in zip((keras, fastgru), counts, strict=True):
        for model, count in counting(library):
            model.compile("sgd", "mse")
            model.fit(x, y, batch_size=3, epochs=2, verbose=0)
            ours.append(float(count().numpy() if library is fastgru else count()))
            model.predict(x, verbose=0)
            model.evaluate(x, y, verbose=0)
            ours.append(float(count().numpy() if library is fastgru else count()))
    assert counts[0] == counts[1] == [8, 208, 8, 208]


def test_a_statistic_of_a_call_is_there_with_the_update(rng: np.random.Generator) -> None:
    (model, count), _ = counting(fastgru)
    assert float(count().numpy()) == 0  # though call ran for the shape of its outputs
    model.compile("sgd", "mse")
    for step in range(1, 4):
        model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
        assert float(count().numpy()) == step
    model.compute_output_shape((None, 3))
    assert float(count().numpy()) == 3


def test_add_metric_is_refused_as_in_keras() -> None:
    with pytest.raises(NotImplementedError, match=r"Keras 3 has no add_metric; give metrics to compile\(metrics="):
        fastgru.layers.Layer().add_metric(1.0, name="one")


class _WithOptions(fastgru.layers.Layer):
    def __init__(self, factor: float, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor


class _WithSeveral(_WithOptions):
    def __init__(self, *factors: float) -> None:
        super().__init__(sum(factors))


def test_the_config_of_a_constructor_unfolds_its_keyword_arguments_whatever_they_are_called() -> None:
    layer = _WithOptions(2.0, name="twice")
    again = _WithOptions.from_config(layer.get_config())
    assert (again.name, again.factor) == ("twice", 2.0)
    with pytest.raises(ValueError, match=r"_WithSeveral: a constructor with \*factors needs get_config"):
        _WithSeveral(1.0, 2.0).get_config()
