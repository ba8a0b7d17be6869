"""LSTM and SimpleRNN: against Keras, central differences and their numpy twin, and what they share with the GRU."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold

from fastgru import activations, kernels, layers, threads
from fastgru.kernels.reference import rnn as reference
from fastgru.layers.penalties import run_forward
from fastgru.layers.workspace import Call
from fastgru.models import Sequential

NAMES = ["LSTM", "SimpleRNN"]
LAYERS = ["GRU", *NAMES]


def grid(*options):
    """All combinations of these options."""
    return [dict(zip(options, values, strict=True)) for values in itertools.product((True, False), repeat=len(options))]


def sequences(rng, name, batch=5, steps=6, features=3, units=7):
    """Random inputs and initial states for a layer."""
    x = rng.normal(size=(batch, steps, features)).astype("float32")
    return [x, *(rng.normal(size=(batch, units)).astype("float32") for _ in range(getattr(layers, name).state_count))]


def random_mask(rng, batch, steps):
    mask = rng.random((batch, steps)) < 0.6
    mask[0] = False  # a row that is masked from end to end
    mask[1, 0] = False
    return mask


def built(rng, name, inputs, dtype="float64", **options):
    """A layer with random weights, ready for a backward pass."""
    x, state = inputs[:2]
    layer = getattr(layers, name)(state.shape[1], dtype=dtype, return_state=True, **options)
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=w.shape) / np.sqrt(w.shape[0]) for w in layer.weights])
    for weight in layer.weights:
        weight.gradient = np.zeros_like(weight.value)
    return layer


# --- Keras ------------------------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.parametrize("options", grid("use_bias", "return_sequences", "go_backwards"), ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_options_agree_with_keras(name, options, keras, rng):
    x, *states = sequences(rng, name)
    agrees_with_keras(keras, rng, name, {"units": 7, "return_state": True, **options}, x, initial_state=states)


@pytest.mark.keras
@pytest.mark.parametrize("units", [1, 7, 50])
@pytest.mark.parametrize("name", NAMES)
def test_sizes_agree_with_keras_from_rest(name, units, keras, rng):
    agrees_with_keras(keras, rng, name, {"units": units}, sequences(rng, name)[0])


@pytest.mark.keras
@pytest.mark.parametrize("options", grid("return_sequences", "go_backwards", "zero_output_for_mask"), ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_masks_agree_with_keras(name, options, keras, rng):
    x, *states = sequences(rng, name)
    mask = random_mask(rng, *x.shape[:2])
    options = {"units": 7, "return_state": True, **options}
    agrees_with_keras(keras, rng, name, options, x, masks=[mask], initial_state=states)


@pytest.mark.keras
@pytest.mark.parametrize("activation", ["relu", None, "hard_sigmoid", "softsign", "elu", "softplus", "gelu", "softmax"])
@pytest.mark.parametrize("name", NAMES)
def test_activations_agree_with_keras(name, activation, keras, rng):
    options = {"units": 4, "activation": activation}
    if name == "LSTM":
        options["recurrent_activation"] = "hard_sigmoid"
    agrees_with_keras(keras, rng, name, options, rng.normal(size=(4, 3, 3)).astype("float32"), atol=3e-5)


@pytest.mark.keras
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("LSTM", {"unit_forget_bias": False, "bias_initializer": "ones", "seed": 3, "dropout": 0.2}),
        ("LSTM", {"kernel_regularizer": "l2", "recurrent_constraint": "max_norm", "unroll": True, "use_cudnn": "auto"}),
        ("LSTM", {"recurrent_dropout": 0.5, "activity_regularizer": "l2", "implementation": 1}),
        ("SimpleRNN", {"bias_initializer": "ones", "seed": 3, "dropout": 1, "recurrent_dropout": 0.5}),
        ("SimpleRNN", {"kernel_constraint": "non_neg", "bias_regularizer": "l2", "unroll": True}),
    ],
    ids=str,
)
def test_configs_are_keras_s(name, options, keras, rng):
    agrees_with_keras(keras, rng, name, {"units": 4, **options}, sequences(rng, name)[0])


@pytest.mark.keras
@pytest.mark.parametrize("name", NAMES)
def test_a_stateful_layer_goes_on_where_it_stopped_as_keras_s_does(name, keras, rng):
    x, *states = sequences(rng, name)
    ours, theirs = (getattr(kind, name)(7, stateful=True) for kind in (layers, keras.layers))
    for layer in (ours, theirs):
        layer.build(x.shape)
    ours.set_weights([rng.normal(size=w.shape) / 2 for w in ours.weights])
    theirs.set_weights(ours.get_weights())
    for initial_state in (None, None, states, None, "reset", None):
        if initial_state == "reset":
            ours.reset_states()
            theirs.reset_states()
            continue
        result, expected = (layer(x, initial_state=initial_state) for layer in (ours, theirs))
        np.testing.assert_allclose(result, np.asarray(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("cells", [False, True], ids=["layer", "cell"])
@pytest.mark.parametrize("name", [*NAMES, "GRU"])
def test_states_that_a_stateful_layer_stored_are_not_written_again(name, cells, rng):
    options = {"stateful": True, "dtype": "float64"}
    cell = getattr(layers, f"{name}Cell")(4, dtype="float64")
    layer = layers.RNN(cell, **options) if cells else getattr(layers, name)(4, **options)
    x = rng.normal(size=(3, 5, 2))
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    call = Call(training=True, differentiate=True)
    run_forward(layer, call, x)
    call.version.commit()
    first, numbers = layer.states, [state.copy() for state in layer.states]
    run_forward(layer, call, x)
    call.version.commit()
    call.version.forget()
    for state, before, after in zip(first, numbers, layer.states, strict=True):
        np.testing.assert_array_equal(state, before)
        assert not np.array_equal(after, before)


@pytest.mark.keras
@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_gives_keras_the_same_numbers_and_paths(name, ending, keras, rng, tmp_path):
    def model(library, kind):
        return library([kind.Input((6, 3)), getattr(kind, name)(4, return_sequences=True), getattr(kind, name)(5)])

    path = str(tmp_path / f"model{ending}")
    ours = model(Sequential, layers)
    ours.set_weights([rng.normal(size=w.shape) / 2 for w in ours.weights])
    (ours.save_weights if "weights" in ending else ours.save)(path)
    if "weights" in ending:
        theirs = model(keras.Sequential, keras.layers)
        theirs.load_weights(path)
    else:
        theirs = keras.saving.load_model(path)
    x = rng.normal(size=(2, 6, 3)).astype("float32")
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=0, atol=1e-5)
    # the names of layers count up in either library
    cells = [[weight.path.split("/")[-2:] for weight in one.weights] for one in (ours, theirs)]
    assert cells[0] == cells[1]


# --- gradients and kernels --------------------------------------------------------------------------


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize("options", grid("return_sequences", "go_backwards"), ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_gradient_agrees_with_central_differences(name, options, masked, rng):
    inputs = sequences(rng, name, 3, 3, 2, 4)
    layer = built(
        rng, name, inputs, use_bias=masked, zero_output_for_mask=masked and options["go_backwards"], **options
    )
    gradients_hold(layer, rng, *inputs, masks=[random_mask(rng, 3, 3) if masked else None])


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("name", NAMES)
def test_gradients_from_rest_agree_with_central_differences(name, rng):
    inputs = sequences(rng, name, 3, 4, 2, 5)
    gradients_hold(built(rng, name, inputs), rng, inputs[0])


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("activation", ["relu", "linear", "softsign", "elu", "selu", "softplus"])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_other_activations_agree_with_central_differences(name, activation, rng):
    inputs = sequences(rng, name, 2, 3, 2, 3)
    options = {"recurrent_activation": "hard_sigmoid"} if name == "LSTM" else {}
    gradients_hold(built(rng, name, inputs, activation=activation, **options), rng, *inputs)


@pytest.mark.parametrize("activation", ["silu", "softmax"])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_activations_that_the_kernels_do_not_know_agree_with_central_differences(name, activation, rng):
    inputs = sequences(rng, name, 2, 3, 2, 3)
    gradients_hold(built(rng, name, inputs, activation=activation), rng, *inputs)


@pytest.mark.parametrize("name", NAMES)
def test_dropout_masks_of_each_gate_pass_the_gradient_check(name, rng, monkeypatch):
    inputs = sequences(rng, name, 3, 3, 2, 4)
    layer = built(rng, name, inputs, dropout=0.3, recurrent_dropout=0.4)
    masks = rng.random((layer.gate_count, 3, 2)) * 2, rng.random((layer.gate_count, 3, 4)) * 2
    monkeypatch.setattr(layer, "_dropout_masks", lambda batch, features: masks)
    gradients_hold(layer, rng, *inputs, training=True)


@pytest.mark.parametrize("name", NAMES)
def test_dropout_of_the_inputs_passes_the_gradient_check(name, rng, monkeypatch):
    inputs = sequences(rng, name, 3, 4, 2, 5)
    layer = built(rng, name, inputs, dropout=0.3)
    monkeypatch.setattr(layer, "_dropout_masks", lambda batch, features: (np.full((1, 3, 2), 1.5), None))
    gradients_hold(layer, rng, *inputs, training=True)


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("masks", [[], ["mask"], ["mask", "zeros"]], ids=" ".join)
@pytest.mark.parametrize("options", grid("return_sequences", "go_backwards"), ids=str)
@pytest.mark.parametrize(
    "sizes", [(1, 1, 1, 1), (5, 3, 2, 7), (70, 8, 3, 30)], ids=lambda sizes: "x".join(map(str, sizes))
)
@pytest.mark.parametrize("name", NAMES)
def test_compiled_kernels_agree_with_the_numpy_twin(name, sizes, options, masks, rng):
    x, *states = (array.astype("float64") for array in sequences(rng, name, *sizes))
    layer = built(rng, name, (x, *states), zero_output_for_mask="zeros" in masks, **options)
    call = Call(differentiate=True)
    call.mask = rng.random(x.shape[:2]) < 0.7 if masks else None
    output, *lasts = layer.forward(call, x, *states)
    d_outputs = [rng.normal(size=array.shape) for array in (output, *lasts)]
    *matrices, bias = (weight.value for weight in layer.weights)
    how = reference.RNNOptions(activations.tanh, activations.sigmoid, options["go_backwards"], "zeros" in masks)
    no_cell = [None] * (2 - len(states))
    y, h, c, saved = reference.rnn_forward(x, *matrices, bias, *states, *no_cell, call.mask, how)
    d_sequence = np.zeros_like(y)
    (d_sequence if layer.return_sequences else d_sequence[:, -1])[...] = d_outputs[0]
    dx, dh0, dc0, *d_weights = reference.rnn_backward(*matrices, how, saved, d_sequence, *d_outputs[1:], *no_cell)
    output_twin = y if layer.return_sequences else y[:, -1]
    expected = [output_twin, *(h, c)[: len(states)], dx, *(dh0, dc0)[: len(states)], *d_weights]
    result = [output, *lasts, *layer.backward(call, *d_outputs), *(weight.gradient for weight in layer.weights)]
    for one, twin in zip(result, expected, strict=True):
        np.testing.assert_allclose(one, twin, rtol=0, atol=1e-12 * max(1, np.abs(twin).max()))


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("batch", [1, 9, 70])
@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_threads_changes_no_bit(name, batch, rng, monkeypatch):
    inputs = sequences(rng, name, batch, 8, 5, 130)
    layer = built(rng, name, inputs, "float32", return_sequences=True)
    results = []
    for count in (1, 2, 4):
        monkeypatch.setattr(threads, "_count", count)
        for weight in layer.weights:
            weight.gradient = np.zeros_like(weight.value)
        predicted = layer.forward(Call(), *inputs)
        call = Call(differentiate=True)
        outputs = layer.forward(call, *inputs)
        gradients = layer.backward(call, *outputs)
        results.append([*predicted, *outputs, *gradients, *(weight.gradient for weight in layer.weights)])
    for other in results[1:]:
        for result, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(result, expected)


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("name", NAMES)
def test_a_prediction_does_not_depend_on_keeping_the_steps_for_a_backward_pass(name, rng):
    inputs = sequences(rng, name, 9, 200, 4, 60)
    layer = built(rng, name, inputs, "float32", return_sequences=True)
    blocks, whole = (layer.forward(Call(differentiate=d), *inputs) for d in (False, True))
    for result, expected in zip(blocks, whole, strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("sums", [128, 512])
def test_memory_of_a_prediction_does_not_grow_with_the_sequence(sums):
    short, long = (kernels.module("float32").rnn_memory(32, steps, 8, 128, sums, False) for steps in (100, 10_000))
    assert short == long


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("name", NAMES)
def test_what_a_masked_step_holds_reaches_nothing(name, rng):
    x, *states = sequences(rng, name)
    layer = built(rng, name, (x, *states), "float32")
    call = Call(differentiate=True)
    call.mask = random_mask(rng, *x.shape[:2])
    x[~call.mask] = np.nan
    outputs = layer.forward(call, x, *states)
    gradients = layer.backward(call, *(np.ones_like(output) for output in outputs))
    for array in (*outputs, *gradients, *(weight.gradient for weight in layer.weights)):
        assert np.isfinite(array).all()


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("frozen", [{0}, {1}, {2}, {0, 1, 2}], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_weight_gets_no_gradient_and_the_others_do_not_notice(name, frozen, rng):
    inputs = sequences(rng, name, 20, 3, 2, 110)
    layer = built(rng, name, inputs, "float32")
    call = Call(differentiate=True)
    outputs = layer.forward(call, *inputs)
    expected = [gradient.copy() for gradient in layer.backward(call, *outputs)]
    gradients = [weight.gradient for weight in layer.weights]
    for index, weight in enumerate(layer.weights):
        weight.gradient = None if index in frozen else np.zeros_like(weight.value)
    layer.forward(call, *inputs)
    for result, gradient in zip(layer.backward(call, *outputs), expected, strict=True):
        np.testing.assert_array_equal(result, gradient)
    for index, weight in enumerate(layer.weights):
        if index not in frozen:
            np.testing.assert_array_equal(weight.gradient, gradients[index])


# --- the layers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_dropout_drops_in_training_alone_and_is_seeded(name, rng):
    x = rng.normal(size=(4, 5, 3))
    for options in ({"dropout": 0.5}, {"recurrent_dropout": 0.5}, {"dropout": 0.5, "recurrent_dropout": 0.5}):
        layer = getattr(layers, name)(6, seed=1, **options)
        plain, dropped, again = layer(x), layer(x, training=True), layer(x, training=True)
        np.testing.assert_array_equal(plain, layer(x))
        assert not np.allclose(plain, dropped)
        assert not np.allclose(dropped, again)
        same = getattr(layers, name)(6, seed=1, **options)
        same.build(x.shape)
        same.set_weights(layer.get_weights())
        np.testing.assert_array_equal(dropped, same(x, training=True))


def test_the_forget_gates_bias_begins_with_ones():
    for forget in (True, False):
        layer = layers.LSTM(3, bias_initializer="zeros", unit_forget_bias=forget)
        layer.build((None, None, 2))
        np.testing.assert_array_equal(layer.bias.value.reshape(4, 3)[:, 0], [0, float(forget), 0, 0])


@pytest.mark.parametrize("name", LAYERS)
def test_a_state_may_be_given_as_an_array_or_as_nested_lists(name, rng):
    x, *states = sequences(rng, name)
    layer = getattr(layers, name)(7)
    expected = layer(x, initial_state=states)
    np.testing.assert_array_equal(layer(x, initial_state=[state.tolist() for state in states]), expected)
    np.testing.assert_array_equal(layer(x, initial_state=tuple(states)), expected)
    if layer.state_count == 1:
        np.testing.assert_array_equal(layer(x, initial_state=states[0].tolist()), expected)
        np.testing.assert_array_equal(layer(x, initial_state=states[0]), expected)
        np.testing.assert_array_equal(layer(x, initial_state=list(states[0])), expected)


@pytest.mark.parametrize(
    ("name", "state", "message"),
    [
        ("LSTM", np.zeros((5, 7)), r"expected 2 initial states of shape \(5, 7\), got \[\(5, 7\)\]"),
        ("LSTM", [np.zeros((5, 7))] * 3, "expected 2 initial states"),
        ("LSTM", [np.zeros((5, 7)), np.zeros((5, 8))], r"got \[\(5, 7\), \(5, 8\)\]"),
        ("SimpleRNN", [np.zeros((5, 7))] * 2, r"expected one initial state of shape \(5, 7\)"),
        ("GRU", np.zeros((4, 7)).tolist(), r"expected one initial state of shape \(5, 7\), got \[\(4, 7\)\]"),
        ("GRU", [[1.0] * 7, [1.0]], "nested lists of unequal lengths"),
    ],
)
def test_a_wrong_initial_state_is_told(name, state, message, rng):
    with pytest.raises(ValueError, match=message):
        getattr(layers, name)(7)(sequences(rng, name)[0], initial_state=state)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 0}, "units must be a positive integer, got 0"),
        ({"units": "4"}, "units must be a positive integer, got '4'"),
        ({"dropout": "a"}, r"dropout must lie in \[0, 1\], got 'a'"),
        ({"recurrent_dropout": None}, r"recurrent_dropout must lie in \[0, 1\], got None"),
        ({"dropout": float("nan")}, r"dropout must lie in \[0, 1\], got nan"),
        ({"seed": "a"}, "seed must be None or a whole number of at least 0, got 'a'"),
        ({"seed": -1}, "seed must be None or a whole number of at least 0, got -1"),
        ({"return_sequences": "no"}, "return_sequences must be True or False, got 'no'"),
        ({"use_bias": 2}, "use_bias must be True or False, got 2"),
        ({"stateful": None}, "stateful must be True or False, got None"),
        ({"reset_before": True}, "unrecognized keyword arguments"),
    ],
    ids=str,
)
def test_a_wrong_option_is_told(name, options, message):
    with pytest.raises(ValueError, match=message) as error:
        getattr(layers, name)(**{"units": 4, **options})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", LAYERS)
def test_a_build_that_fails_half_way_leaves_nothing_behind(name):
    layer = getattr(layers, name)(4, recurrent_initializer=lambda shape, dtype: np.zeros((1, 1)), stateful=True)
    with pytest.raises(ValueError, match="expected an array of shape"):
        layer.build((2, 5, 3))
    assert layer.weights == []
    assert layer.states is None
    assert not layer.built
    layer.recurrent_initializer = layers.GRU(1).recurrent_initializer
    layer.build((2, 5, 3))
    assert [weight.name for weight in layer.weights] == ["kernel", "recurrent_kernel", "bias"]
    with pytest.raises(ValueError, match="is built already"):
        layer.build((2, 5, 3))
    assert len(layer.weights) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_small_model_learns(name, rng):
    x = rng.normal(size=(64, 8, 2)).astype("float32")
    y = (x[:, 0, 0] > 0).astype("float32")  # what the first step held, to be remembered to the end
    model = Sequential([layers.Input((8, 2)), getattr(layers, name)(12), layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.02
    model.fit(x, y, epochs=40, batch_size=16, verbose=0)
    assert model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] > 0.95
