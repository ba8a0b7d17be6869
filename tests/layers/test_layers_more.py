"""Layers that stand beside GRUs in files: each against real Keras, and its gradients against central differences."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold

from fastgru import layers
from fastgru.layers.workspace import Call

SEQUENCES, IMAGES = (3, 7, 4), (2, 6, 5, 4)
F64 = {"dtype": "float64"}
FIRST = {"data_format": "channels_first"}
CASES = [
    ("SpatialDropout2D", {"rate": 0.3}, IMAGES),
    ("SpatialDropout2D", {"rate": 0.3, **FIRST}, IMAGES),
    ("AlphaDropout", {"rate": 0.3, "noise_shape": (3, 1, 4)}, SEQUENCES),
    ("Identity", {}, SEQUENCES),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, SEQUENCES),
    ("Rescaling", {"scale": 0.5, "offset": 1.0}, IMAGES),
    ("Normalization", {}, SEQUENCES),
    ("Normalization", {"axis": (1, 2), "invert": True}, SEQUENCES),
    ("Normalization", {"axis": None, "mean": 1.0, "variance": 2.0}, SEQUENCES),
    ("Normalization", {"axis": -1, "mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0, 2.0, 3.0, 4.0]}, SEQUENCES),
    ("UnitNormalization", {}, SEQUENCES),
    ("UnitNormalization", {"axis": [1, 2]}, SEQUENCES),
    ("GroupNormalization", {"groups": 2}, SEQUENCES),
    ("GroupNormalization", {"groups": -1, "scale": False, "epsilon": 1e-5}, IMAGES),
    ("GroupNormalization", {"groups": 3, "axis": 1, "center": False}, IMAGES),
    ("UpSampling1D", {"size": 3}, SEQUENCES),
    ("UpSampling2D", {"size": (2, 3)}, IMAGES),
    ("UpSampling2D", {"size": 2, **FIRST}, IMAGES),
    ("ZeroPadding2D", {"padding": 2}, IMAGES),
    ("ZeroPadding2D", {"padding": (1, 2), **FIRST}, IMAGES),
    ("ZeroPadding2D", {"padding": ((1, 0), (0, 2))}, IMAGES),
    ("Cropping2D", {"cropping": 1}, IMAGES),
    ("Cropping2D", {"cropping": ((1, 0), (0, 2)), **FIRST}, IMAGES),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "activation": "relu"}, SEQUENCES),
    ("DepthwiseConv2D", {"kernel_size": (3, 2), "padding": "same", "strides": 2}, IMAGES),
    ("SeparableConv1D", {"filters": 5, "kernel_size": 3, "padding": "same", "activation": "tanh"}, SEQUENCES),
    ("SeparableConv1D", {"filters": 5, "kernel_size": 2, "dilation_rate": 2, "depth_multiplier": 3}, SEQUENCES),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 3, "use_bias": False}, IMAGES),
]  # fmt: skip


@pytest.fixture
def rng():
    return np.random.default_rng(20261124)


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    # Keras's Normalization uses new weights only where they come from a file or from data
    [case for case in CASES if case[0] != "Normalization" or "mean" in case[1]],
)
@pytest.mark.keras
def test_it_is_the_layer_of_keras(keras, rng, name, options, shape):
    if options.get("data_format") == "channels_first":  # JAX on a CPU has it for no convolution
        assert "Conv" not in name
    agrees_with_keras(keras, rng, name, options, rng.normal(size=shape).astype("float32"))


@pytest.mark.parametrize(("options", "shape"), [case[1:] for case in CASES if case[0] == "Normalization"])
@pytest.mark.keras
def test_normalization_uses_what_keras_measured(keras, rng, options, shape):
    x = rng.normal(3, 2, size=shape).astype("float32")
    theirs, ours = keras.layers.Normalization(**options), layers.Normalization(**options)
    if "mean" not in options:
        theirs.adapt(x)
    else:
        theirs.build(shape)
    ours.build(shape)
    ours.set_weights([np.asarray(weight) for weight in theirs.weights])
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), atol=1e-5)
    assert [weight.name for weight in ours.weights] == [weight.name for weight in theirs.weights]
    for key, value in theirs.get_config().items():
        assert key in ("name", "dtype") or ours.get_config()[key] == value


@pytest.mark.parametrize(("name", "options", "shape"), [case for case in CASES if not case[1].get("noise_shape")])
def test_gradients(rng, name, options, shape):
    gradients_hold(getattr(layers, name)(**options, dtype="float64"), rng, rng.normal(size=shape))


@pytest.mark.parametrize("name", ["DepthwiseConv2D", "SeparableConv2D"])
def test_channels_may_come_first(rng, name):
    options = {"kernel_size": 3, "padding": "same", **({"filters": 2} if name == "SeparableConv2D" else {})}
    last, first = getattr(layers, name)(**options), getattr(layers, name)(**options, **FIRST)
    x = rng.normal(size=IMAGES).astype("float32")
    y = last(x)
    first.build((2, 4, 6, 5))
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(first(np.moveaxis(x, -1, 1)), np.moveaxis(y, -1, 1), atol=1e-6)
    gradients_hold(getattr(layers, name)(**options, **FIRST, dtype="float64"), rng, rng.normal(size=(2, 3, 4, 4)))


def test_a_dropped_channel_is_dropped_in_the_whole_image():
    y = layers.SpatialDropout2D(0.5, seed=1).forward(Call(training=True), np.ones((20, 3, 4, 30), "float32"))
    assert {*np.unique(y)} == {0, 2}
    assert (y == y[:, :1, :1]).all()


def test_alpha_dropout_keeps_mean_and_variance(rng):
    x = rng.normal(size=(400, 500)).astype("float32")
    layer, call = layers.AlphaDropout(0.3, seed=1), Call(training=True)
    y = layer.forward(call, x)
    assert abs(y.mean()) < 0.01 and abs(y.var() - 1) < 0.02
    dropped = layer.backward(call, np.ones_like(x)) == 0
    assert abs(dropped.mean() - 0.3) < 0.01 and len(np.unique(y[dropped])) == 1


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: layers.GroupNormalization(3), SEQUENCES, "4 channels are no multiple of groups=3"),
        (lambda: layers.Cropping2D(3), IMAGES, "leaves nothing"),
        (lambda: layers.UpSampling2D(2, interpolation="bilinear"), IMAGES, "interpolation='nearest'"),
        (lambda: layers.Normalization(mean=1.0), SEQUENCES, "mean and variance, or neither"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), IMAGES, "expected a number, two, or two pairs"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(make, shape, message):
    with pytest.raises(ValueError, match=message):
        make()(np.ones(shape))


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda **options: layers.GRU(3, **options), 1),
        (lambda **options: layers.LSTM(3, **options), 2),
        (lambda **options: layers.SimpleRNN(3, **options), 1),
        (lambda **options: layers.RNN(layers.GRUCell(3, **F64), **options), 1),
        (lambda **options: layers.RNN([layers.GRUCell(3, **F64), layers.LSTMCell(3, **F64)], **options), 3),
    ],
    ids=["GRU", "LSTM", "SimpleRNN", "cell", "cells"],
)
def test_by_tensorflows_rule_a_row_puts_out_zeros_until_its_first_used_step(rng, make, count, sequences, back):
    layer = make(return_sequences=sequences, go_backwards=back, **F64)
    x = rng.normal(size=(4, 5, 2))
    mask = np.ones((4, 5), bool)
    mask[1, :2] = mask[2, -1] = mask[3] = False
    states = [rng.normal(size=(4, 3)) for _ in range(count)]
    before = layer(x, states, mask=mask)
    layer.zero_until_used = True
    after = layer(x, states, mask=mask)
    in_order = mask[:, ::-1] if back else mask
    used = np.logical_or.accumulate(in_order, 1) if sequences else mask.any(1)
    np.testing.assert_array_equal(after[used], before[used])
    assert (after[~used] == 0).all() and (before[~used] != 0).all()
    gradients_hold(layer, rng, x, *states, masks=(mask,))
