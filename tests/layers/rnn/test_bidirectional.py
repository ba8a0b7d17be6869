"""`Bidirectional`: against real Keras, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest
from cells import RETURNS, SHAPE, gru, mixed, random_input, random_mask, random_states
from layer_checks import agrees_with_keras, gradients_hold, random_weights

from fastgru import layers
from fastgru.layers.penalties import run_forward
from fastgru.layers.workspace import Call

MERGE_MODES = ("concat", "sum", "mul", "ave", None)
BIDIRECTIONAL = [(gru, [4], mode) for mode in MERGE_MODES] + [(mixed, [[3, 3], [2], [4, 4]], "concat")]


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
