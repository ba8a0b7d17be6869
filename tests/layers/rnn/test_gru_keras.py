"""The layers against real Keras on random weights, different for each gate."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastgru import layers

pytestmark = pytest.mark.keras

BATCH, STEPS, FEATURES, UNITS = 5, 7, 3, 6
GRID = [
    dict(zip(("reset_after", "use_bias", "return_sequences", "go_backwards"), values, strict=True))
    for values in itertools.product((True, False), repeat=4)
]


def both_layers(keras, rng, name, shape, *args, **options):
    """The same layer of fastgru and of Keras, built for `shape`, with the same random weights."""
    ours = getattr(layers, name)(*args, **options)
    theirs = getattr(keras.layers, name)(*args, **options)
    ours.build(shape)
    theirs.build(shape)
    weights = [rng.normal(size=weight.shape).astype("float32") for weight in ours.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def assert_equal_outputs(outputs, expected):
    outputs, expected = ([out] if not isinstance(out, (list, tuple)) else out for out in (outputs, expected))
    assert len(outputs) == len(expected)
    for ours, theirs in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=0, atol=1e-5)


@pytest.mark.parametrize("state", [False, True], ids=["from rest", "initial state"])
@pytest.mark.parametrize("options", GRID, ids=str)
def test_gru_agrees_with_keras(options, state, keras, rng):
    ours, theirs = both_layers(keras, rng, "GRU", (BATCH, STEPS, FEATURES), UNITS, return_state=True, **options)
    x = rng.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")
    h0 = rng.normal(size=(BATCH, UNITS)).astype("float32") if state else None
    assert_equal_outputs(ours(x, initial_state=h0), theirs(x, initial_state=h0))


@pytest.mark.parametrize("zero_output_for_mask", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_masked_gru_agrees_with_keras(go_backwards, return_sequences, zero_output_for_mask, keras, rng):
    options = {
        "go_backwards": go_backwards,
        "return_sequences": return_sequences,
        "zero_output_for_mask": zero_output_for_mask,
    }
    ours, theirs = both_layers(keras, rng, "GRU", (BATCH, STEPS, FEATURES), UNITS, return_state=True, **options)
    x = rng.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")
    h0 = rng.normal(size=(BATCH, UNITS)).astype("float32")
    mask = rng.random((BATCH, STEPS)) < 0.6
    mask[0] = False
    mask[1, 0] = False
    mask[2] = np.arange(STEPS) < 4
    assert_equal_outputs(ours(x, initial_state=h0, mask=mask), theirs(x, initial_state=h0, mask=mask))


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize(
    "activation",
    ["relu", "linear", None, "hard_sigmoid", "softsign", "elu", "selu", "softplus", "silu", "gelu", "softmax"],
)
def test_gru_with_other_activations_agrees_with_keras(activation, reset_after, keras, rng):
    ours, theirs = both_layers(
        keras, rng, "GRU", (BATCH, 3, FEATURES), UNITS,
        activation=activation, recurrent_activation="hard_sigmoid", reset_after=reset_after,
    )  # fmt: skip
    ours.set_weights([w / 4 for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    x = rng.normal(size=(BATCH, 3, FEATURES)).astype("float32")
    assert_equal_outputs(ours(x), theirs(x))


def test_stateful_gru_goes_on_where_it_stopped_as_keras_does(keras, rng):
    ours, theirs = both_layers(keras, rng, "GRU", (BATCH, STEPS, FEATURES), UNITS, stateful=True)
    x = rng.normal(size=(3, BATCH, STEPS, FEATURES)).astype("float32")
    for part in x:
        assert_equal_outputs(ours(part), theirs(part))
    h0 = rng.normal(size=(BATCH, UNITS)).astype("float32")
    assert_equal_outputs(ours(x[0], initial_state=h0), theirs(x[0], initial_state=h0))
    assert_equal_outputs(ours(x[1]), theirs(x[1]))
    ours.reset_states()
    theirs.reset_states()
    assert_equal_outputs(ours(x[2]), theirs(x[2]))
