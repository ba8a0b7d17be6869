"""Cells, `RNN`, `Bidirectional` and `TimeDistributed`: against real Keras, and their gradients."""

from __future__ import annotations

import inspect

import h5py
import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold, random_weights

from fastgru import layers
from fastgru.layers.penalties import run_forward
from fastgru.layers.symbolic import flattened
from fastgru.layers.workspace import Call
from fastgru.models import Sequential, load_model

SHAPE = BATCH, STEPS, FEATURES = 3, 5, 2
MERGE_MODES = ("concat", "sum", "mul", "ave", None)


def gru(library, dtype="float32", **options):
    return library.GRU(4, name="inner", dtype=dtype, **options)


def one_cell(library, dtype="float32", **options):
    return library.RNN(library.GRUCell(4, name="cell", dtype=dtype), name="inner", dtype=dtype, **options)


def mixed(library, dtype="float32", **options):
    cells = [
        library.LSTMCell(3, name="a", dtype=dtype),
        library.SimpleRNNCell(2, name="b", dtype=dtype),
        library.LSTMCell(4, name="c", dtype=dtype, unit_forget_bias=False),
    ]
    cells = library.StackedRNNCells(cells, name="cells", dtype=dtype)
    return library.RNN(cells, name="inner", dtype=dtype, **options)


def stack(library, dtype="float32", **options):
    cells = [
        library.GRUCell(3, name="a", dtype=dtype),
        library.GRUCell(4, name="b", dtype=dtype, reset_after=False),
    ]
    cells = library.StackedRNNCells(cells, name="cells", dtype=dtype)
    return library.RNN(cells, name="inner", dtype=dtype, **options)


RETURNS = [
    {"return_sequences": sequences, "return_state": state} for sequences in (False, True) for state in (False, True)
]


CELLS = {"one cell": (one_cell, [4]), "stack": (stack, [[3], [4]]), "mixed": (mixed, [[3, 3], [2], [4, 4]])}
CASES = ["from rest", "states, mask", "mask, zeros"]
BIDIRECTIONAL = [(gru, [4], mode) for mode in MERGE_MODES] + [(mixed, [[3, 3], [2], [4, 4]], "concat")]


def random_input(rng, dtype="float32"):
    return rng.normal(size=SHAPE).astype(dtype)


def random_mask(rng):
    mask = rng.random((BATCH, STEPS)) < 0.6
    mask[0, 0] = False
    mask[1, -1] = False
    return mask


def random_states(rng, sizes, dtype="float32"):
    """States of these sizes, which may be nested."""
    if isinstance(sizes, list):
        return [random_states(rng, size, dtype) for size in sizes]
    return rng.normal(size=(BATCH, sizes)).astype(dtype)


# --- RNN --------------------------------------------------------------------------------------------------------------


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
    for result, expected in zip(flattened(states), last, strict=True):
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


# --- Bidirectional ----------------------------------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.parametrize("full", [False, True], ids=["from rest", "initial states and mask"])
@pytest.mark.parametrize("make, sizes, merge_mode", BIDIRECTIONAL)
@pytest.mark.parametrize("returns", RETURNS, ids=str)
def test_bidirectional_agrees_with_keras(make, sizes, merge_mode, returns, full, keras, rng):
    agrees_with_keras(
        keras, rng, "Bidirectional",
        lambda library: {"layer": make(library, **returns), "merge_mode": merge_mode},
        random_input(rng), masks=[random_mask(rng)] if full else None,
        initial_state=random_states(rng, sizes * 2) if full else None,
    )  # fmt: skip


@pytest.mark.keras
def test_bidirectional_with_a_backward_layer_agrees_with_keras(keras, rng):
    def options(library):
        backward = library.GRU(3, name="other", return_sequences=True, go_backwards=True, activation="relu")
        return {"layer": gru(library, return_sequences=True), "backward_layer": backward}

    agrees_with_keras(keras, rng, "Bidirectional", options, random_input(rng), masks=[random_mask(rng)])


@pytest.mark.keras
def test_a_stateful_bidirectional_goes_on_where_it_stopped_as_keras_does(keras, rng):
    ours, theirs = (library.Bidirectional(library.GRU(4, stateful=True)) for library in (layers, keras.layers))
    for layer in (ours, theirs):
        layer.build(SHAPE)
    ours.set_weights(random_weights(ours, rng))
    theirs.set_weights(ours.get_weights())
    for _ in range(2):
        x = random_input(rng)
        np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)
    for our, their in zip(ours.states, theirs.states, strict=True):
        np.testing.assert_allclose(our, np.asarray(their), atol=1e-5)
    ours.reset_states()
    theirs.reset_states()
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)
    with pytest.raises(AttributeError, match="not stateful"):
        layers.Bidirectional(layers.GRU(4)).reset_states()


@pytest.mark.parametrize("full", [False, True], ids=["from rest", "initial states and mask"])
@pytest.mark.parametrize("merge_mode", MERGE_MODES)
@pytest.mark.parametrize("returns", RETURNS, ids=str)
def test_gradients_of_bidirectional(returns, merge_mode, full, rng):
    inner = layers.GRU(2, dtype="float64", activity_regularizer="l2", **returns)
    layer = layers.Bidirectional(inner, merge_mode, activity_regularizer="l1")
    states = random_states(rng, [2, 2], "float64") if full else []
    gradients_hold(layer, rng, random_input(rng, "float64"), *states, masks=[random_mask(rng)] if full else [])


def test_gradients_of_a_bidirectional_stack(rng):
    cells = [layers.GRUCell(2, dtype="float64"), layers.GRUCell(1, dtype="float64")]
    layer = layers.Bidirectional(layers.RNN(cells, return_sequences=True, return_state=True))
    states = random_states(rng, [2, 1, 2, 1], "float64")
    gradients_hold(layer, rng, random_input(rng, "float64"), *states, masks=[random_mask(rng)])


@pytest.mark.parametrize("unused", [0, 1])
def test_an_output_that_nobody_used_has_no_part_in_the_gradient(unused, rng):
    layer = layers.Bidirectional(gru(layers, "float64", return_sequences=True), merge_mode=None)
    x = random_input(rng, "float64")
    layer.build(SHAPE)
    call = Call(differentiate=True)
    d_outputs = list(layer.forward(call, x))
    d_outputs[unused] = np.zeros_like(d_outputs[unused])
    expected = layer.backward(call, *d_outputs).copy()
    d_outputs[unused] = None
    layer.forward(call, x)
    np.testing.assert_array_equal(layer.backward(call, *d_outputs), expected)


@pytest.mark.keras
def test_activity_regularizers_inside_bidirectional_count_as_in_keras(keras, rng):
    ours, theirs = (
        library.Bidirectional(
            library.GRU(4, return_sequences=True, return_state=True, activity_regularizer="l2"),
            activity_regularizer="l1",
        )
        for library in (layers, keras.layers)
    )
    ours.build(SHAPE)
    theirs.build(SHAPE)
    theirs.set_weights(ours.get_weights())
    x = random_input(rng)
    theirs(x)
    _, penalty = run_forward(ours, Call(), x)
    assert penalty == pytest.approx(float(sum(theirs.losses)), rel=1e-5)


def test_bidirectional_starts_from_the_given_weights(rng):
    one = layers.Bidirectional(gru(layers))
    one.build(SHAPE)
    first = random_weights(one, rng)
    other = layers.Bidirectional(gru(layers), weights=first)
    other.build(SHAPE)
    for weight, expected in zip(other.weights, first, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"layer": layers.Dense(3)}, "recurrent layer"),
        ({"layer": layers.GRU(3), "merge_mode": "max"}, "merge_mode"),
        ({"layer": layers.GRU(3), "backward_layer": layers.GRU(3)}, "opposite directions"),
        ({"layer": layers.GRU(3, go_backwards=True)}, "opposite directions"),
        ({"layer": layers.GRU(3), "backward_layer": layers.GRU(3, go_backwards=True, stateful=True)}, "same stateful"),
        ({"layer": layers.GRU(3), "dtype": "float64"}, "dtype float32 inside"),
    ],
)
def test_bidirectional_refuses_what_does_not_fit(options, reason):
    with pytest.raises(ValueError, match=reason):
        layers.Bidirectional(**options)


# --- TimeDistributed --------------------------------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda library: library.Dense(4, activation="relu", name="inner"), (3, 5, 2)),
        (lambda library: library.Dense(4, name="inner"), (3, 5, 6, 2)),
        (lambda library: library.Dropout(0.4, name="inner"), (3, 5, 2)),
        (lambda library: library.GRU(4, return_sequences=True, name="inner"), (3, 5, 6, 2)),
        (lambda library: library.Bidirectional(library.GRU(4, name="twice"), name="inner"), (3, 5, 6, 2)),
    ],
    ids=["Dense", "Dense on 4 axes", "Dropout", "GRU", "Bidirectional"],
)
def test_time_distributed_agrees_with_keras(make, shape, masked, keras, rng):
    x = rng.normal(size=shape).astype("float32")
    # Keras gives the inner layer one step of the mask, which a recurrent one cannot read
    masks = [random_mask(rng)] if masked and len(shape) == 3 else None
    agrees_with_keras(keras, rng, "TimeDistributed", lambda library: {"layer": make(library)}, x, masks=masks)


def test_time_distributed_is_its_layer_at_every_step(rng):
    inner = Sequential([layers.Dense(4, activation="tanh", dtype="float64"), layers.Dense(3, dtype="float64")])
    layer = layers.TimeDistributed(inner)
    x = random_input(rng, "float64")
    result = layer(x)
    for step in range(STEPS):
        np.testing.assert_allclose(result[:, step], inner(x[:, step]), rtol=1e-12)
    assert type(layer).from_config(layer.get_config()).layer.count_params() == inner.count_params()


@pytest.mark.parametrize(
    "inner, shape",
    [
        (layers.Dense(4, activation="tanh", activity_regularizer="l2", dtype="float64"), (3, 5, 2)),
        (layers.GRU(3, dtype="float64"), (2, 3, 4, 2)),
        (
            Sequential(
                [
                    layers.Dense(3, activity_regularizer="l2", dtype="float64"),
                    layers.Activation("tanh", dtype="float64"),
                ]
            ),
            (3, 5, 2),
        ),
    ],
    ids=["Dense", "GRU", "Sequential"],
)
def test_gradients_of_time_distributed(inner, shape, rng):
    gradients_hold(layers.TimeDistributed(inner), rng, rng.normal(size=shape))


def test_time_distributed_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="expected a layer"):
        layers.TimeDistributed("dense")
    with pytest.raises(ValueError, match=r"\(batch, timesteps, \.\.\.\)"):
        layers.TimeDistributed(layers.Dense(3))(np.ones((4, 5)))
    with pytest.raises(ValueError, match="one output"):
        layers.TimeDistributed(layers.GRU(3, return_state=True))(np.ones((2, 3, 4, 5)))


# --- files, freezing, training ----------------------------------------------------------------------------------------

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
