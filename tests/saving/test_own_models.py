"""Weights of models and layers of one's own stand in files where Keras has them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import fastgru

X = np.random.default_rng(4).normal(size=(3, 4)).astype("float32")


def own(K: Any) -> Any:
    """Layers before and behind "layers" in the alphabet, in lists and dicts, weights that are not trained between."""

    class Block(K.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.zeta = K.layers.Dense(2)
            self.alpha = [K.layers.Dense(2), K.layers.LayerNormalization(), K.layers.Dense(2)]
            self.named = {"x": K.layers.Dense(2), "a": K.layers.Dense(2)}

        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(2,), initializer="uniform", name="w")
            self.fixed = self.add_weight(shape=(2,), initializer="ones", name="fixed", trainable=False)
            self.factor = self.add_weight(shape=(2,), initializer="uniform", name="factor")

        def call(self, x: Any) -> Any:
            for layer in self.alpha:
                x = layer(x)
            return self.zeta(x) * self.w + self.named["x"](x) * self.fixed + self.named["a"](x) * self.factor

    class Own(K.Model):
        def __init__(self) -> None:
            super().__init__()
            self.out = K.layers.Dense(1)
            self.block = Block()
            self.row = [Block()]

        def call(self, x: Any) -> Any:
            return self.out(self.row[0](self.block(x)))

    model = Own()
    model(X)
    return model


@pytest.mark.keras
def test_weights_go_to_keras_and_come_from_it(keras: Any, tmp_path: Any) -> None:
    theirs, ours = own(keras), own(fastgru)
    assert [weight.shape for weight in ours.weights] == [tuple(weight.shape) for weight in theirs.weights]
    expected = np.asarray(theirs(X))
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    np.testing.assert_allclose(ours(X), expected, rtol=1e-5, atol=1e-6)
    ours.save_weights(tmp_path / "ours.weights.h5")
    again = own(keras)
    again.load_weights(tmp_path / "ours.weights.h5")
    np.testing.assert_allclose(np.asarray(again(X)), expected, rtol=1e-5, atol=1e-6)


class Gate(fastgru.layers.Layer):
    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.gate = fastgru.layers.Dense(units, activation="sigmoid")

    def call(self, x: Any) -> Any:
        return self.gate(x) * x


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_layer_with_a_call_comes_back_by_its_arguments(ending: str, tmp_path: Any) -> None:
    model = fastgru.Sequential([fastgru.Input((4,)), Gate(4), fastgru.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(X, np.ones((3, 2)), verbose=0)
    with pytest.warns(UserWarning) if ending == "h5" else nullcontext():
        model.save(tmp_path / f"m.{ending}")
    again = fastgru.models.load_model(tmp_path / f"m.{ending}", custom_objects={"Gate": Gate})
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
