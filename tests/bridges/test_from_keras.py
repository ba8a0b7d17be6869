"""Models of Keras's in memory become fastgru's: the same predictions, and training that goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgru

pytestmark = pytest.mark.keras

keras = pytest.importorskip("keras", reason="Keras, whose models are read, is not installed")

layers = keras.layers


def graph() -> Any:
    words, numbers = keras.Input((9,), dtype="int32"), keras.Input((9, 3))
    embedded = layers.Embedding(20, 4, mask_zero=True)(words)
    state = layers.Bidirectional(layers.GRU(5, return_sequences=True))(embedded)
    state = layers.LSTM(6)(state)
    other = layers.GRU(4, reset_after=False, go_backwards=True)(numbers)
    outputs = layers.Dense(2, activation="softmax")(layers.Concatenate()([state, other]))
    return keras.Model([words, numbers], outputs)


def inputs(rng: np.random.Generator) -> list[Any]:
    return [rng.integers(0, 20, (6, 9)), rng.standard_normal((6, 9, 3)).astype("f4")]


def test_a_graph_gives_the_same_predictions(rng: np.random.Generator) -> None:
    theirs, x = graph(), inputs(rng)
    theirs.set_weights([rng.standard_normal(weight.shape) * 0.5 for weight in theirs.get_weights()])
    ours = fastgru.from_keras(theirs)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-5)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]


def test_training_goes_on_with_the_state_of_the_optimizer(rng: np.random.Generator) -> None:
    theirs, x, y = graph(), inputs(rng), rng.integers(0, 2, 6)
    theirs.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    theirs.fit(x, y, epochs=2, verbose=0, shuffle=False)
    ours = fastgru.from_keras(theirs)
    expected = theirs.fit(x, y, epochs=2, verbose=0, shuffle=False).history
    assert ours.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"] == pytest.approx(expected["loss"], 1e-4)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-5)


def test_it_need_not_be_compiled(rng: np.random.Generator) -> None:
    theirs = graph()
    theirs.compile("adam", "mse")
    assert fastgru.from_keras(theirs, compile=False).optimizer is None


@keras.saving.register_keras_serializable("mine")
class Twice(layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


class OurTwice(fastgru.layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


def test_a_layer_of_one_s_own_is_read_with_its_namesake(rng: np.random.Generator) -> None:
    theirs = keras.Sequential([keras.Input((4, 3)), layers.GRU(5), Twice()])
    x = rng.standard_normal((2, 4, 3)).astype("f4")
    ours = fastgru.from_keras(theirs, custom_objects={"Twice": OurTwice})
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-5)
    with pytest.raises(ValueError, match="Twice"):
        fastgru.from_keras(theirs)


def test_an_accelerated_model_is_read_like_any_other(rng: np.random.Generator) -> None:
    theirs, x = graph(), inputs(rng)
    ours = fastgru.from_keras(fastgru.keras.accelerate(theirs))
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-5)


def test_what_is_no_built_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a model of Keras 3, got GRU\."):
        fastgru.from_keras(layers.GRU(3))
    with pytest.raises(ValueError, match="has no weights yet"):
        fastgru.from_keras(keras.Sequential([layers.GRU(3)]))
