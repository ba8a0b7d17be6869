"""The cell of a recurrent layer, states nested by cell, and masks under TimeDistributed, for programs of Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru import layers
from fastgru.models import Model, Sequential

SIZES = {"GRU": 1, "LSTM": 2, "SimpleRNN": 1}


@pytest.mark.keras
@pytest.mark.parametrize("name", SIZES)
def test_the_cell_of_a_layer_has_its_options_and_weights(keras: Any, rng: np.random.Generator, name: str) -> None:
    ours, theirs = (getattr(library.layers, name)(3, dropout=0.2) for library in (Library, keras))
    cell = ours.cell
    assert (cell.name, cell.units, cell.built) == (theirs.cell.name, theirs.cell.units, theirs.cell.built)
    assert cell.state_size == theirs.cell.state_size
    assert not hasattr(cell, "kernel")
    for layer in (ours, theirs):
        layer.build((2, 5, 4))
    assert ours.cell is cell
    assert cell.built
    assert [weight.path.partition("/")[2] for weight in cell.weights] == [
        weight.path.partition("/")[2] for weight in theirs.cell.weights
    ]
    for attribute in ("kernel", "recurrent_kernel", "bias"):
        assert getattr(cell, attribute) is getattr(ours, attribute)
        assert tuple(getattr(theirs.cell, attribute).shape) == getattr(cell, attribute).shape
    for attribute in ("dropout", "recurrent_dropout", "use_bias", "seed"):
        assert getattr(cell, attribute) == getattr(theirs.cell, attribute, None)
    config = keras.saving.serialize_keras_object(theirs.cell)["config"]
    config.pop("quantization_config", None)
    assert cell.get_config() == config
    cell.set_weights([rng.normal(size=weight.shape) for weight in cell.weights])
    theirs.set_weights(ours.get_weights())
    x, states = rng.normal(size=(2, 4)).astype("float32"), [np.ones((2, 3), "float32")] * SIZES[name]
    expected = theirs.cell(x, states)[0]
    np.testing.assert_allclose(np.asarray(cell(x, states)[0]), np.asarray(expected), atol=1e-6)


class Library:
    layers = layers


@pytest.mark.parametrize("name", SIZES)
def test_a_cell_that_is_used_first_builds_its_layer(name: str) -> None:
    layer = getattr(layers, name)(3)
    layer.cell(np.ones((2, 4), "float32"), [np.zeros((2, 3), "float32")] * SIZES[name])
    assert layer.built
    assert layer.weights == layer.cell.weights
    assert len(Sequential([layer]).weights) == 3


@pytest.mark.keras
def test_states_of_several_cells_are_nested_as_in_keras(keras: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 4, 3)).astype("float32")
    ours, theirs = (
        library.layers.RNN([library.layers.GRUCell(3), library.layers.LSTMCell(2)], return_state=True)
        for library in (Library, keras)
    )
    theirs(x)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    result, expected = ours(x), theirs(x)
    assert ours.state_size == theirs.state_size
    for one in (result, expected):
        assert [len(state) if isinstance(state, list) else 0 for state in one] == [0, 1, 2]
    again, expected_again = ours(x, initial_state=result[1:]), theirs(x, initial_state=expected[1:])
    for one, other in zip(keras.tree.flatten(again), keras.tree.flatten(expected_again), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-5)
    assert [np.shape(one) for one in keras.tree.flatten(ours.get_initial_state(5))] == [(5, 3), (5, 2), (5, 2)]
    symbolic = ours(layers.Input((4, 3)))
    assert [isinstance(one, list) for one in symbolic] == [False, False, True]


@pytest.mark.keras
def test_time_distributed_hands_each_step_its_own_mask(keras: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 4, 5, 3)).astype("float32")
    mask = rng.random((2, 4, 5)) < 0.6
    mask[0, 1] = False
    ours, theirs = (library.layers.TimeDistributed(library.layers.GRU(3)) for library in (Library, keras))
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(np.asarray(ours(x, mask=mask)), np.asarray(theirs(x, mask=mask)), atol=1e-5)


@pytest.mark.keras
def test_time_distributed_takes_a_mask_of_one_column(keras: Any, rng: np.random.Generator) -> None:
    x, mask = rng.normal(size=(2, 4, 3)).astype("float32"), rng.random((2, 4, 1)) < 0.6
    ours, theirs = (library.layers.TimeDistributed(library.layers.Dense(3)) for library in (Library, keras))
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    y = ours(x, mask=mask)
    np.testing.assert_allclose(np.asarray(y), np.asarray(theirs(x, mask=mask)), atol=1e-5)
    np.testing.assert_array_equal(y._keras_mask, mask[..., 0])
    with pytest.raises(ValueError, match=r"expected a mask of shape \(2, 4\)"):
        ours(x, mask=mask[:, :1])
    with pytest.raises(ValueError, match="or with one axis more"):
        ours(x, mask=np.ones((2, 4, 2), bool))


WITHOUT_ROWS = {
    "GRU": (layers.GRU(3), (4, 3), (3,)),
    "Bidirectional": (layers.Bidirectional(layers.LSTM(3)), (4, 3), (6,)),
    "Dense": (layers.Dense(2), (4, 3), (4, 2)),
    "Embedding": (layers.Embedding(5, 2), (4,), (4, 2)),
    "Conv1D": (layers.Conv1D(3, 2), (4, 3), (3, 3)),
    "BatchNormalization": (layers.BatchNormalization(), (4, 3), (4, 3)),
}


@pytest.mark.parametrize("name", WITHOUT_ROWS)
def test_a_batch_without_rows_gives_one_without_rows(name: str) -> None:
    layer, shape, expected = WITHOUT_ROWS[name]
    x = np.zeros((0, *shape), "int64" if name == "Embedding" else "float32")
    assert layer(x).shape == (0, *expected)
    before = layer.get_weights()
    assert layer(x, training=True).shape == (0, *expected)
    for one, other in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    model = Sequential([layer])
    assert model.predict(x).shape == model.predict_on_batch(x).shape == (0, *expected)
    model.compile("sgd", "mse")
    for train in (model.fit, model.evaluate, model.train_on_batch):  # as Keras, which ends there in other words
        with pytest.raises(ValueError, match="at least one sample"):
            train(x, np.zeros((0, *expected)))


def test_a_model_of_several_outputs_gives_each_without_rows() -> None:
    x = layers.Input((4, 3))
    model = Model(x, {"a": layers.Dense(2)(x), "b": layers.GRU(5)(x)})
    outputs = model.predict(np.zeros((0, 4, 3)))
    assert {name: y.shape for name, y in outputs.items()} == {"a": (0, 4, 2), "b": (0, 5)}


@pytest.mark.parametrize("cell", [layers.GRUCell(3), layers.GRU(3).cell])
def test_the_units_of_a_cell_stay_what_they_are(cell: Any) -> None:
    with pytest.raises(AttributeError, match="has 3 units, and cannot get 5; make another"):
        cell.units = 5
    assert cell.units == 3
