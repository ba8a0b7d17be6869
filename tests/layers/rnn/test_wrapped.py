"""Layers that hold others go through files, are frozen and learn with what is inside."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from cells import SHAPE, mixed, one_cell, random_input
from layer_checks import random_weights

from fastgru import layers
from fastgru.models import Sequential, load_model

WRAPPED = {
    "RNN": one_cell,
    "stack": mixed,
    "Bidirectional": lambda library: library.Bidirectional(library.GRU(4, name="inner"), name="two"),
    "Bidirectional stack": lambda library: library.Bidirectional(mixed(library), name="two"),
    "TimeDistributed": lambda library: library.TimeDistributed(library.Dense(4, name="inner"), name="steps"),
}


@pytest.mark.keras
@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_weight_files_go_both_ways(make, keras, rng, tmp_path):
    theirs = keras.Sequential([keras.Input(SHAPE[1:]), make(keras.layers)], name="model")
    ours = Sequential([layers.InputLayer(SHAPE[1:]), make(layers)], name="model")
    assert [f"model/{weight.path}" for weight in ours.weights] == [weight.path for weight in theirs.weights]
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    x = random_input(rng)
    np.testing.assert_allclose(ours.predict(x), theirs(x), atol=1e-6)
    ours.set_weights(random_weights(ours, rng))
    ours.save_weights(tmp_path / "ours.weights.h5")
    assert arrays_in(tmp_path / "ours.weights.h5") == arrays_in(tmp_path / "theirs.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    np.testing.assert_allclose(ours.predict(x), theirs(x), atol=1e-6)


def arrays_in(path):
    """The path and shape of every array in a file."""
    result = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: result.update({name: getattr(item, "shape", None)}))
    return {name: shape for name, shape in result.items() if shape is not None}


@pytest.mark.keras
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_model_files_go_both_ways(make, ending, keras, rng, tmp_path):
    theirs = keras.Sequential([keras.Input(SHAPE[1:]), make(keras.layers)])
    theirs.save(tmp_path / f"theirs{ending}")
    ours = load_model(tmp_path / f"theirs{ending}")
    ours.save(tmp_path / f"ours{ending}")
    again = keras.models.load_model(tmp_path / f"ours{ending}")
    x = random_input(rng)
    np.testing.assert_allclose(ours.predict(x), theirs(x), atol=1e-6)
    np.testing.assert_allclose(again(x), theirs(x), atol=1e-6)


@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_freezing_the_wrapper_freezes_what_is_inside(make):
    layer = make(layers)
    layer.build(SHAPE)
    count = len(layer.weights)
    layer.trainable = False
    assert not layer.trainable_weights and len(layer.non_trainable_weights) == count
    assert not any(inner.trainable for inner in layer.sublayers)


@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_a_model_with_it_learns(make, rng):
    model = Sequential([layers.InputLayer(SHAPE[1:]), make(layers)])
    model.compile("adam", "mse")
    x = random_input(rng)
    y = np.zeros(model.predict(x).shape)
    losses = model.fit(x, y, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
