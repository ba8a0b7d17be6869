"""The GRU's forward and backward pass: compiled kernels against the numpy twin and against central differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from layer_checks import movable

from fastgru import activations, config, kernels, threads
from fastgru.kernels.reference import gru as reference
from fastgru.layers import GRU, LSTM, Bidirectional, SimpleRNN
from fastgru.layers.workspace import Call

pytestmark = pytest.mark.usefixtures("every_engine")

BATCH, STEPS, FEATURES, UNITS = 3, 4, 2, 5
OPTIONS = [
    dict(zip(("reset_after", "return_sequences", "go_backwards", "zero_output_for_mask"), values, strict=True))
    for values in itertools.product((True, False), repeat=4)
]
SIZES = [(1, 1, 1, 1), (5, 3, 2, 7), (150, 6, 3, 70), (2, 300, 1, 50)]
SIZES_AND_OPTIONS = [
    pytest.param(
        sizes,
        options,
        id=f"{'x'.join(map(str, sizes))}-{options}",
        marks=[pytest.mark.slow] if max(sizes) > 100 and options not in OPTIONS[::15] else [],
    )
    for sizes, options in itertools.product(SIZES, OPTIONS)
]


def random_gru(rng, batch=BATCH, steps=STEPS, features=FEATURES, units=UNITS, dtype="float64", **options):
    """A built layer whose weights are all different, biases too, and inputs for it."""
    layer = GRU(units, dtype=dtype, return_state=True, **options)
    layer.build((batch, steps, features))
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    for weight in layer.weights:
        weight.gradient = np.zeros_like(weight.value)
    x = rng.normal(size=(batch, steps, features)).astype(dtype)
    h0 = rng.normal(size=(batch, units)).astype(dtype)
    return layer, x, h0


def random_mask(rng, batch=BATCH, steps=STEPS):
    mask = rng.random((batch, steps)) < 0.6
    mask[0] = False  # a row that is masked from end to end
    mask[1, 0] = False
    return mask


def central_difference(function, array, step=1e-6):
    """d function / d array, one number after another."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        number = array[index]
        array[index] = number + step
        above = function()
        array[index] = number - step
        below = function()
        array[index] = number
        gradient[index] = (above - below) / (2 * step)
    return gradient


def assert_gradients_hold(layer, x, h0, mask, rng, training=False):
    """All gradients of a random weighting of the outputs agree with central differences to 1e-6."""
    call = Call(training, differentiate=True)
    call.mask = mask
    outputs = layer.forward(call, x, h0)
    weighting = [rng.normal(size=output.shape) for output in outputs]

    def loss():
        check = Call(training, differentiate=True)  # packs the weights, which change in place here
        check.mask = mask
        return sum(np.sum(w * out) for w, out in zip(weighting, layer.forward(check, x, h0), strict=True))

    dx, dh0 = layer.backward(call, *weighting)
    result = [dx, dh0] + [weight.gradient for weight in layer.weights]
    for array, gradient in zip([x, h0] + [movable(weight) for weight in layer.weights], result, strict=True):
        expected = central_difference(loss, array)
        assert np.abs(gradient - expected).max() < 1e-6 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_gradient_agrees_with_central_differences(options, masked, rng):
    layer, x, h0 = random_gru(rng, **options)
    assert_gradients_hold(layer, x, h0, random_mask(rng) if masked else None, rng)


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize(
    "activation", ["relu", "linear", "softsign", "elu", "selu", "softplus", "hard_sigmoid", "silu", "softmax"]
)
def test_gradients_of_other_activations_agree_with_central_differences(activation, reset_after, rng):
    layer, x, h0 = random_gru(rng, activation=activation, recurrent_activation="hard_sigmoid", reset_after=reset_after)
    assert_gradients_hold(layer, x, h0, None, rng)


def test_gradients_without_bias_agree_with_central_differences(rng):
    layer, x, h0 = random_gru(rng, use_bias=False)
    assert_gradients_hold(layer, x, h0, None, rng)


@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize(("sizes", "options"), SIZES_AND_OPTIONS)
def test_compiled_kernels_agree_with_the_numpy_twin(sizes, options, masked, rng):
    batch, steps, features, units = sizes
    layer, x, h0 = random_gru(rng, batch, steps, features, units, **options)
    layer.set_weights([rng.normal(size=w.shape) / np.sqrt(w.shape[0]) for w in layer.weights])
    mask = rng.random((batch, steps)) < 0.7 if masked else None
    d_y = rng.normal(size=(batch, steps, units) if layer.return_sequences else (batch, units))
    d_state = rng.normal(size=(batch, units))
    call = Call(differentiate=True)
    call.mask = mask
    output, last = layer.forward(call, x, h0)
    bias = layer.bias.value.reshape(-1, 3 * units)
    matrices = layer.kernel.value, layer.recurrent_kernel.value
    how = {name: value for name, value in options.items() if name != "return_sequences"}
    how = reference.GRUOptions(activations.tanh, activations.sigmoid, **how)
    twin_y, twin_last, saved = reference.gru_forward(x, *matrices, bias, h0, mask, how)
    twin_output, d_sequence = twin_y if layer.return_sequences else twin_y[:, -1], np.zeros_like(twin_y)
    (d_sequence if layer.return_sequences else d_sequence[:, -1])[...] = d_y
    twin_gradients = reference.gru_backward(*matrices, how, saved, d_sequence, d_state)
    dx, dh0 = layer.backward(call, d_y, d_state)
    gradients = (
        dx,
        dh0,
        layer.kernel.gradient,
        layer.recurrent_kernel.gradient,
        layer.bias.gradient.reshape(bias.shape),
    )
    for result, twin in zip((output, last, *gradients), (twin_output, twin_last, *twin_gradients), strict=True):
        np.testing.assert_allclose(result, twin, rtol=0, atol=1e-12 * max(1, np.abs(twin).max()))


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 7, 9, 150])
def test_the_number_of_threads_changes_no_bit(batch, reset_after, rng, monkeypatch):
    layer, x, h0 = random_gru(rng, batch, 30, 5, 130, "float32", reset_after=reset_after, return_sequences=True)
    results = []
    for count in (1, 2, 4):
        monkeypatch.setattr(threads, "_count", count)
        for weight in layer.weights:
            weight.gradient = np.zeros_like(weight.value)
        predicted = layer.forward(Call(), x, h0)
        call = Call(differentiate=True)
        outputs = layer.forward(call, x, h0)
        gradients = layer.backward(call, *outputs)
        results.append([*predicted, *outputs, *gradients, *(weight.gradient for weight in layer.weights)])
    for other in results[1:]:
        for result, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("return_sequences", [True, False])
def test_a_masked_output_of_zero_is_zero_whatever_the_state_is(return_sequences, rng):
    layer = GRU(3, zero_output_for_mask=True, return_sequences=return_sequences)
    x = rng.normal(size=(2, 4, 5)).astype("float32")
    y = layer(x, np.full((2, 3), np.inf, "float32"), mask=np.array([[True, True, True, False]] * 2))
    np.testing.assert_array_equal(y[:, -1] if return_sequences else y, np.zeros((2, 3)))


@pytest.mark.parametrize("steps", [20, 150])
def test_no_bit_depends_on_whether_threads_share_the_units_of_a_row(steps, rng, monkeypatch):
    layer, x, h0 = random_gru(rng, 1, steps, 5, 130, "float32", return_sequences=True)
    monkeypatch.setattr(threads, "_count", 1)
    alone = layer.forward(Call(), x, h0)
    monkeypatch.setattr(threads, "_count", 4)
    for _ in range(200):  # now and then the slower way is tried
        for result, expected in zip(layer.forward(Call(), x, h0), alone, strict=True):
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("cell", [GRU, LSTM, SimpleRNN])
@pytest.mark.parametrize("batch", [1, 9, 70])
def test_directions_side_by_side_are_those_of_two_layers(batch, cell, rng, monkeypatch):
    both = Bidirectional(cell(20, return_sequences=True), merge_mode=None)
    x = rng.normal(size=(batch, 12, 5)).astype(np.float32)
    both.build(x.shape)
    expected = both.forward_layer(x), both.backward_layer(x)[:, ::-1]
    for count in (1, 2, 4):
        monkeypatch.setattr(threads, "_count", count)
        for one, other in zip(both(x), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[5], OPTIONS[6], OPTIONS[8]], ids=str)
@pytest.mark.parametrize("masked", ["nowhere", "behind", "in front", "anywhere", "everywhere"])
@pytest.mark.parametrize("batch", [1, 3, 9, pytest.param(150, marks=pytest.mark.slow)])
def test_a_prediction_does_not_depend_on_keeping_the_steps_for_a_backward_pass(batch, masked, options, rng):
    steps, units = 80, 130
    layer, x, h0 = random_gru(rng, batch, steps, 4, units, "float32", **options)
    layer.set_weights([w / 10 for w in layer.get_weights()])
    lengths = rng.integers(0, steps + 1, (batch, 1))
    mask = {
        "nowhere": None,
        "behind": np.arange(steps) < lengths,
        "in front": np.arange(steps) >= lengths,
        "anywhere": rng.random((batch, steps)) < 0.3,
        "everywhere": np.zeros((batch, steps), bool),
    }[masked]
    outputs = []
    for differentiate in (False, True):
        call = Call(differentiate=differentiate)
        call.mask = mask
        outputs.append(layer.forward(call, x, h0) + layer.forward(call, x, None))
    for predicted, before in zip(*outputs, strict=True):
        np.testing.assert_allclose(predicted, before, atol=2e-6)


@pytest.mark.parametrize("reset_after", [True, False])
def test_memory_of_a_prediction_does_not_grow_with_the_sequence(reset_after):
    short, long = (
        kernels.module("float32").gru_memory(32, steps, 8, 128, reset_after, config.multiplies_with_tiles(), False)
        for steps in (100, 10_000)
    )
    assert short == long


@pytest.mark.parametrize("reset_after", [True, False])
def test_dropout_masks_of_each_gate_pass_the_gradient_check(reset_after, rng, monkeypatch):
    layer, x, h0 = random_gru(rng, reset_after=reset_after, dropout=0.3, recurrent_dropout=0.4)
    masks = rng.random((3, BATCH, FEATURES)) * 2, rng.random((3, BATCH, UNITS)) * 2
    monkeypatch.setattr(layer, "_dropout_masks", lambda batch, features: masks)
    assert_gradients_hold(layer, x, h0, None, rng, training=True)


def test_what_a_masked_step_holds_reaches_nothing(rng):
    layer, x, h0 = random_gru(rng)
    mask = random_mask(rng)
    mask[0] = True
    x[~mask] = np.nan
    call = Call(differentiate=True)
    call.mask = mask
    output, last = layer.forward(call, x, h0)
    dx, dh0 = layer.backward(call, np.ones_like(output), np.ones_like(last))
    for array in (output, last, dx, dh0, *(weight.gradient for weight in layer.weights)):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_frozen_layer_passes_the_gradient_on_and_keeps_none(reset_after, rng):
    layer, x, h0 = random_gru(rng, reset_after=reset_after)
    call = Call(differentiate=True)
    outputs = layer.forward(call, x, h0)
    expected = [gradient.copy() for gradient in layer.backward(call, *outputs)]
    for weight in layer.weights:
        weight.gradient = None
    layer.forward(call, x, h0)
    for result, gradient in zip(layer.backward(call, *outputs), expected, strict=True):
        np.testing.assert_array_equal(result, gradient)
