"""Cells and `RNN` over them: against real Keras, step by step, and their gradients."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from cells import (
    BATCH,
    FEATURES,
    RETURNS,
    SHAPE,
    STEPS,
    mixed,
    one_cell,
    random_input,
    random_mask,
    random_states,
    stack,
)
from layer_checks import agrees_with_keras, gradients_hold, random_weights

from fastgru import layers
from fastgru.layers.symbolic import flattened

CELLS = {"one cell": (one_cell, [4]), "stack": (stack, [[3], [4]]), "mixed": (mixed, [[3, 3], [2], [4, 4]])}
CASES = ["from rest", "states, mask", "mask, zeros"]


def rnn_options(make, **options):
    """The arguments of an RNN with the cell that `make` builds."""
    return lambda library: {"cell": make(library).cell, **options}


@pytest.mark.keras
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("returns", RETURNS, ids=str)
@pytest.mark.parametrize("make, sizes", CELLS.values(), ids=CELLS)
def test_rnn_agrees_with_keras(make, sizes, returns, go_backwards, case, keras, rng):
    options = rnn_options(make, go_backwards=go_backwards, zero_output_for_mask="zeros" in case, **returns)
    agrees_with_keras(
        keras, rng, "RNN", options, random_input(rng), masks=[random_mask(rng)] if "mask" in case else None,
        initial_state=random_states(rng, sizes) if "states" in case else None,
    )  # fmt: skip


@pytest.mark.keras
def test_a_stateful_rnn_goes_on_where_it_stopped_as_keras_does(keras, rng):
    ours, theirs = (
        library.RNN(library.GRUCell(4), stateful=True, return_sequences=True) for library in (layers, keras.layers)
    )
    for layer in (ours, theirs):
        layer.build(SHAPE)
    theirs.set_weights(random_weights(ours, rng))
    ours.set_weights(theirs.get_weights())
    for _ in range(3):
        x = random_input(rng)
        np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)
    ours.reset_state()
    theirs.reset_state()
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)


def test_a_stateful_stack_gives_in_parts_what_it_gives_at_once(rng):
    whole, parts = stack(layers, return_sequences=True), stack(layers, return_sequences=True, stateful=True)
    x = random_input(rng)
    expected = whole(x)
    parts.build((BATCH, None, FEATURES))
    parts.set_weights(whole.get_weights())
    result = np.concatenate([parts(x[:, :2]), parts(x[:, 2:])], axis=1)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    parts.reset_states()
    np.testing.assert_allclose(parts(x), expected, atol=1e-6)


@pytest.mark.parametrize("make, sizes", CELLS.values(), ids=CELLS)
def test_rnn_is_its_cell_step_by_step(make, sizes, rng):
    layer = make(layers, return_sequences=True, return_state=True)
    x, states = random_input(rng), random_states(rng, sizes)
    outputs, *last = layer(x, states)
    for step in range(STEPS):
        output, states = layer.cell(x[:, step], states)
        np.testing.assert_allclose(output, outputs[:, step], atol=1e-6)
    for result, expected in zip(flattened(states), flattened(last), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("training", [False, True], ids=["at rest", "dropping"])
@pytest.mark.parametrize("name", ["GRU", "LSTM", "SimpleRNN"])
def test_an_rnn_over_a_cell_is_the_cell_s_layer_to_the_last_bit(name, training, rng):
    options = {"dropout": 0.3, "recurrent_dropout": 0.2, "seed": 1}
    twin = getattr(layers, name)(4, return_sequences=True, **options)
    layer = layers.RNN(getattr(layers, f"{name}Cell")(4, **options), return_sequences=True)
    x, mask = random_input(rng), random_mask(rng)
    for one in (twin, layer):
        one.build(SHAPE)
    layer.set_weights(random_weights(twin, rng))
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x, mask=mask, training=training), twin(x, mask=mask, training=training))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("returns", RETURNS, ids=str)
def test_gradients_of_an_rnn(returns, go_backwards, case, rng):
    kinds = layers.GRUCell, layers.LSTMCell, layers.SimpleRNNCell
    cells = [kind(2 - index % 2, dtype="float64") for index, kind in enumerate(kinds)]
    options = {"go_backwards": go_backwards, "zero_output_for_mask": "zeros" in case, **returns}
    layer = layers.RNN(cells, activity_regularizer="l2", **options)
    states = random_states(rng, [2, 1, 1, 2], "float64") if "states" in case else []
    masks = [random_mask(rng)] if "mask" in case else []
    gradients_hold(layer, rng, random_input(rng, "float64"), *states, masks=masks)


def test_gradients_of_cells(rng):
    x, *states = random_states(rng, [2, 3, 4], "float64")
    gradients_hold(layers.GRUCell(3, dtype="float64"), rng, x, states[0])
    gradients_hold(layers.LSTMCell(3, dtype="float64"), rng, x, states[0], -states[0])
    gradients_hold(layers.SimpleRNNCell(3, dtype="float64"), rng, x, states[0])
    gradients_hold(stack(layers, "float64").cell, rng, x, *states)


@pytest.mark.keras
@pytest.mark.parametrize("make, sizes", CELLS.values(), ids=CELLS)
def test_cells_agree_with_keras(make, sizes, keras, rng):
    ours, theirs = make(layers).cell, make(keras.layers).cell
    for cell in (ours, theirs):
        cell.build((BATCH, FEATURES))
    ours.set_weights(random_weights(ours, rng))
    theirs.set_weights(ours.get_weights())
    assert (ours.state_size, ours.output_size) == (theirs.state_size, theirs.output_size)
    shapes = [keras.tree.map_structure(np.shape, cell.get_initial_state(BATCH)) for cell in (ours, theirs)]
    assert shapes[0] == shapes[1]
    x, states = random_states(rng, [FEATURES, sizes])
    result, expected = ours(x, states), theirs(x, states)
    keras.tree.assert_same_structure(result, keras.tree.map_structure(np.asarray, expected))
    for one, other in zip(flattened(result), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(one, np.asarray(other), atol=1e-6)


@pytest.mark.keras
@pytest.mark.parametrize("name", ["GRUCell", "LSTMCell", "SimpleRNNCell"])
def test_the_config_of_a_cell_is_keras_s(name, keras):
    options = {"name": "x", "activation": "relu", "kernel_regularizer": "l2", "dropout": 0.1, "seed": 3}
    ours, theirs = (getattr(library, name)(5, **options) for library in (layers, keras.layers))
    assert ours.get_config() == keras.saving.serialize_keras_object(theirs)["config"]
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()


@pytest.mark.keras
@pytest.mark.parametrize("name", ["GRUCell", "LSTMCell", "SimpleRNNCell"])
def test_a_cell_takes_keras_s_arguments_in_keras_s_order(name, keras):
    ours, theirs = (inspect.signature(getattr(library, name)).parameters for library in (layers, keras.layers))
    assert [(one.name, one.default) for one in ours.values()] == [(one.name, one.default) for one in theirs.values()]


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda: layers.RNN(layers.Dense(3)), "expected a cell"),
        (lambda: layers.RNN([layers.Dense(3)]), "cells"),
        (lambda: layers.RNN([]), "cells"),
        (lambda: one_cell(layers)(np.ones((3, 2))), "timesteps"),
        (lambda: one_cell(layers)(np.ones((3, 5, 2)), np.ones((3, 5))), r"initial states of shapes \[\(3, 4\)\]"),
        (lambda: one_cell(layers, stateful=True).build((None, 5, 2)), "fixed batch size"),
        (lambda: layers.GRUCell(3)(np.ones((3, 2)), np.ones((3, 4))), r"\(3, 3\)"),
        (lambda: layers.RNN([layers.GRUCell(3), layers.GRUCell(3, dtype="float64")]), "dtype"),
    ],
)
def test_cells_and_rnn_refuse_what_does_not_fit(make, reason):
    with pytest.raises(ValueError, match=reason):
        make()
