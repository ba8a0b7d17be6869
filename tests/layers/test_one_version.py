"""Beside a thread that changes weights, whatever computes sees one setting of them: all old or all new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from swaps import Settings, random_settings, swapping

from fastgru import Model, Sequential, ops
from fastgru.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Conv1D,
    Dense,
    Embedding,
    GlobalAveragePooling1D,
    Input,
    Layer,
    LayerNormalization,
    MultiHeadAttention,
    Normalization,
    SimpleRNN,
    SimpleRNNCell,
    SpectralNormalization,
    TimeDistributed,
)

B, T, F = 3, 6, 4


class Difference(Layer):
    """x a - x b + a, which is a where all weights are equal."""

    def build(self, input_shape: Any) -> None:
        self.a, self.b = self.add_weight((F,), name="a"), self.add_weight((F,), name="b")

    def call(self, x: Any) -> Any:
        return ops.subtract(x * self.a, np.multiply(x, self.b)) + np.asarray(self.a)


class Written(Model):
    """A model with a `call`, which calls its layers one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = GRU(5, return_sequences=True), Sequential([GRU(4)]), Dense(2)

    def call(self, x: Any) -> Any:
        return self.head(self.second(self.first(x)))


def recurrent() -> Any:
    return Sequential(
        [
            Input((T, F)), GRU(8, return_sequences=True), LayerNormalization(), LSTM(5, return_sequences=True),
            Bidirectional(GRU(3, return_sequences=True)), Conv1D(6, 2, padding="causal"),
            RNN(SimpleRNNCell(4), return_sequences=True), TimeDistributed(Dense(4)), SimpleRNN(4), Dense(3),
        ]
    )  # fmt: skip


def words() -> Any:
    return Sequential([Input((T,)), Embedding(20, F), BatchNormalization(), GRU(5), Dense(2)])


def normalized() -> Any:
    return Sequential(
        [Input((T, F)), Normalization(), BatchNormalization(), SpectralNormalization(Dense(3)), BatchNormalization()]
    )


def nested() -> Any:
    inner = Sequential([Input((T, F)), GRU(8, return_sequences=True), Dense(F)])
    inputs = Input((T, F))
    return Model(inputs, Dense(2)(GRU(3)(inner(inner(inputs)))))


def attending() -> Any:
    inputs = Input((T, F))
    return Model(inputs, Dense(2)(GlobalAveragePooling1D()(MultiHeadAttention(2, 4)(inputs, inputs))))


def with_a_layer_of_ones_own() -> Any:
    return Sequential([Input((T, F)), Difference(), Dense(F), Difference()])


MODELS = [recurrent, words, normalized, nested, attending, with_a_layer_of_ones_own, Written]


def built(make: Callable[[], Any], rng: np.random.Generator) -> tuple[Any, Any]:
    """The model, and a batch that it has seen."""
    model = make()
    x = rng.integers(0, 20, (B, T)) if make is words else rng.normal(size=(B, T, F)).astype("float32")
    model(x)
    return model, x


def answers_of(layer: Any, settings: Settings, run: Callable[[], Any]) -> set[bytes]:
    answers = set()
    for setting in settings:
        layer.set_weights(setting)
        answers.add(np.asarray(run()).tobytes())
    assert len(answers) == len(settings)
    return answers


@pytest.mark.parametrize("way", ["predict", "predict_on_batch", "call"])
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_an_answer_beside_set_weights_is_that_of_one_setting(
    make: Callable[[], Any], way: str, rng: np.random.Generator
) -> None:
    model, x = built(make, rng)
    settings = random_settings(model, rng)

    def run() -> Any:
        if way == "predict":
            return model.predict(x, batch_size=2, verbose=0)
        return model(x) if way == "call" else model.predict_on_batch(x)

    answers = answers_of(model, settings, run)
    with swapping([lambda setting=setting: model.set_weights(setting) for setting in settings]) as goes_on:
        while goes_on():
            assert np.asarray(run()).tobytes() in answers


@pytest.mark.parametrize(
    "layer",
    [GRU(8), LSTM(3), Dense(3), Conv1D(3, 2), BatchNormalization(), Embedding(20, 3), Difference()],
    ids=lambda layer: type(layer).__name__,
)
def test_an_answer_of_a_layer_beside_its_set_weights_is_that_of_one_setting(
    layer: Any, rng: np.random.Generator
) -> None:
    x = rng.integers(0, 20, (B, T)) if type(layer) is Embedding else rng.normal(size=(B, T, F)).astype("float32")
    layer(x)
    settings = random_settings(layer, rng)
    answers = answers_of(layer, settings, lambda: layer(x))
    with swapping([lambda setting=setting: layer.set_weights(setting) for setting in settings]) as goes_on:
        while goes_on():
            assert np.asarray(layer(x)).tobytes() in answers


@pytest.mark.filterwarnings("ignore:Model .* is saved as an HDF5 file")
@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".h5", ".safetensors"])
def test_an_answer_beside_load_weights_is_that_of_one_file(
    ending: str, rng: np.random.Generator, tmp_path: Any
) -> None:
    model, x = built(words, rng)
    settings, loads = random_settings(model, rng), []
    for number, setting in enumerate(settings):
        path = tmp_path / f"{number}{ending}"
        model.set_weights(setting)
        model.save(path) if ending in (".keras", ".h5") else model.save_weights(path)
        loads.append(lambda path=path: model.load_weights(path))
    answers = answers_of(model, settings, lambda: model.predict(x, verbose=0))
    with swapping(loads, 100) as goes_on:
        while goes_on():
            assert model.predict(x, verbose=0).tobytes() in answers


def test_a_layer_set_in_the_middle_of_a_model_changes_all_its_weights_at_once(rng: np.random.Generator) -> None:
    model, x = built(nested, rng)
    layer = model.layers[1]
    rest, settings = model.get_weights(), random_settings(layer, rng)
    answers = answers_of(layer, settings, lambda: model.predict(x, verbose=0))
    with swapping([lambda setting=setting: layer.set_weights(setting) for setting in settings]) as goes_on:
        while goes_on():
            assert model.predict(x, verbose=0).tobytes() in answers
    model.set_weights(rest)


def test_statistics_that_adapt_measures_change_at_once(rng: np.random.Generator) -> None:
    layer, x = Normalization(), rng.normal(size=(B, F)).astype("float32")
    layer(x)
    data, answers = [rng.normal(place, 1 + place, size=(50, F)) for place in range(3)], set()
    for one in data:
        layer.adapt(one)
        answers.add(np.asarray(layer(x)).tobytes())
    with swapping([lambda one=one: layer.adapt(one) for one in data], 500) as goes_on:
        while goes_on():
            assert np.asarray(layer(x)).tobytes() in answers


def test_get_weights_beside_set_weights_copies_one_setting(rng: np.random.Generator) -> None:
    model, _ = built(recurrent, rng)
    shapes = [weight.shape for weight in model.weights]
    changes = [
        lambda number=number: model.set_weights([np.full(shape, number) for shape in shapes]) for number in range(3)
    ]
    model.set_weights([np.zeros(shape) for shape in shapes])
    with swapping(changes) as goes_on:
        while goes_on():
            assert len(np.unique([copy.flat[0] for copy in model.get_weights()])) == 1


# --- a `call` reads one version, and what it assigns itself ------------------------------------------------


class Counting(Layer):
    """Adds how often it was called, which it counts behind the sum."""

    def build(self, input_shape: Any) -> None:
        self.count = self.add_weight((), "zeros", name="count", trainable=False)

    def call(self, x: Any) -> Any:
        before = x + self.count
        self.count.assign_add(1)
        return ops.stack([before, x + self.count])


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a call"])
def test_a_call_reads_what_it_assigned(inside: bool) -> None:
    class Around(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.counting = Counting()

        def call(self, x: Any) -> Any:
            inner = self.counting(x)
            return ops.concatenate([inner, [x + self.counting.count]])

    layer = Around() if inside else Counting()
    for call in range(3):
        expected = [[call], [call + 1], *[[call + 1]] * inside]
        np.testing.assert_array_equal(layer(np.zeros(1, "float32")), expected)


def test_what_a_call_assigns_the_next_batch_of_a_predict_reads() -> None:
    class Answering(Counting):
        def call(self, x: Any) -> Any:
            return super().call(x)[0]

    model = Sequential([Input((1,)), Answering()])
    model.layers[0].count.assign(0.0)
    outputs = model.predict(np.zeros((3, 1)), batch_size=1, verbose=0)
    np.testing.assert_array_equal(outputs, [[0], [1], [2]])
    assert model.layers[0].count.numpy() == 3


def test_a_layer_that_the_model_does_not_list_is_of_one_version_too(rng: np.random.Generator) -> None:
    hidden = [Dense(F)]
    hidden[0].build((None, F))

    class Using(Model):
        def call(self, x: Any) -> Any:
            return hidden[0](x)

    model, x = Using(), rng.normal(size=(B, F)).astype("float32")
    model(x)
    settings = random_settings(hidden[0], rng)
    answers = answers_of(hidden[0], settings, lambda: model.predict(x, verbose=0))
    with swapping([lambda setting=setting: hidden[0].set_weights(setting) for setting in settings]) as goes_on:
        while goes_on():
            assert model.predict(x, verbose=0).tobytes() in answers
