"""What Keras 3 has no name for is saved in the words of Keras 2, which fastgru and tf_keras open."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fastgru.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Dense,
    Dropout,
    GlobalAveragePooling1D,
    Input,
    LayerNormalization,
    LeakyReLU,
    Masking,
    SimpleRNN,
    TimeDistributed,
)
from fastgru.models import Model, Sequential, load_model

OLD = {"recurrent_activation": "hard_sigmoid_old"}
pytestmark = pytest.mark.filterwarnings("ignore:.*considers legacy")


def row() -> Any:
    return Sequential([
        Input((6, 3)), GRU(4, return_sequences=True, reset_after=False, kernel_regularizer="l2", **OLD), Dropout(0.2),
        BatchNormalization(), LeakyReLU(0.2), Bidirectional(LSTM(3, dropout=0.1, return_sequences=True, **OLD)),
        Conv1D(3, 2, activation="relu"), TimeDistributed(Dense(4, activation="hard_sigmoid_old")),
        GlobalAveragePooling1D(), Dense(2, activation="softmax"),
    ])  # fmt: skip


def graph() -> Any:
    x, state = Input((6, 3), name="x"), Input((4,), name="state")
    y, last = GRU(4, return_sequences=True, return_state=True, **OLD)(x, initial_state=state)
    z = SimpleRNN(3)(Masking(0.0)(Concatenate()([y, Dense(2)(y)])))
    return Model([x, state], [z, last, LayerNormalization()(last)])


def keras_2() -> Any:
    return pytest.importorskip("tf_keras", reason="the Keras of TensorFlow, in version 2, is not installed").models


@pytest.mark.parametrize("reader", [lambda: None, keras_2], ids=["fastgru", "tf_keras"])
@pytest.mark.parametrize("make", [row, graph])
def test_the_old_hard_sigmoid_goes_where_it_has_a_name(
    make: Callable[[], Any], reader: Callable[[], Any], rng: np.random.Generator, tmp_path: Path
) -> None:
    model, path = make(), tmp_path / "model.h5"
    load = getattr(reader(), "load_model", load_model)
    model.compile("adam", "mse")
    model.set_weights([rng.normal(size=weight.shape) ** 2 for weight in model.weights])
    x = [rng.normal(size=(5, *tensor.shape[1:])).astype("float32") for tensor in model.inputs]
    x = x if len(x) > 1 else x[0]
    with pytest.warns(UserWarning, match="Keras 2 opens it, without a training setup; Keras 3 does not"):
        model.save(path)
    expected, outputs = model.predict(x, verbose=0), load(path).predict(x, verbose=0)
    pairs = zip(expected, outputs, strict=True) if isinstance(expected, list) else [(expected, outputs)]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["operation", "model inside", "both functions"])
def test_what_keras_2_has_not_stays_in_the_words_of_keras_3(kind: str, tmp_path: Path) -> None:
    x = Input((6, 3))
    y = GRU(2, activation="hard_sigmoid" if kind == "both functions" else "tanh", **OLD)(x)
    if kind == "model inside":
        y = Sequential([Input((2,)), Dense(2)])(y)
    model = Model(x, y * 2 if kind == "operation" else y)
    with pytest.warns(UserWarning, match="fastgru opens the saved file, Keras 3 does not"):
        model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        assert file.attrs["keras_version"].startswith("3.")
        assert "hard_sigmoid_old" in json.dumps(json.loads(file.attrs["model_config"]))
    data = np.ones((2, 6, 3))
    np.testing.assert_array_equal(load_model(tmp_path / "model.h5")(data), model(data))
