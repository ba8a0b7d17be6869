"""Convolutions: real Keras, central differences, every engine, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import (
    FORMATS,
    agrees_with_keras,
    combinations,
    gradients_hold,
    inputs_for,
    keeps_unknown_sizes,
    labelled,
    mask_of_used_rows,
    memory_is_free_again,
    small_gradients_hold,
)

from fastgru import Sequential, layers, saving
from fastgru.optimizers import Adam

SEQUENCES, IMAGES = (3, 11, 4), (2, 7, 9, 4)  # channels last
BOTH, ALL = ["valid", "same"], ["valid", "same", "causal"]
CASES = [
    *combinations("Conv1D", SEQUENCES, filters=[6], kernel_size=[3], padding=ALL, groups=[1, 2]),
    *combinations("Conv1D", SEQUENCES, filters=[5], kernel_size=[4], padding=ALL, strides=[3]),
    *combinations("Conv1D", SEQUENCES, filters=[5], kernel_size=[2], padding=ALL, strides=[3]),
    *combinations("Conv1D", SEQUENCES, filters=[5], kernel_size=[4], padding=ALL, dilation_rate=[2]),
    *combinations("Conv2D", IMAGES, filters=[6], kernel_size=[(3, 2)], padding=BOTH, groups=[1, 2]),
    *combinations("Conv2D", IMAGES, filters=[3], kernel_size=[(2, 4)], padding=BOTH, strides=[(2, 3)]),
    *combinations("Conv2D", IMAGES, filters=[3], kernel_size=[3], padding=BOTH, dilation_rate=[(1, 2)]),
    *combinations("Conv1D", SEQUENCES, filters=[4], kernel_size=[2], activation=["softmax", "silu"], groups=[1, 4]),
    ("Conv1D", {"filters": 7, "kernel_size": 1, "activation": "relu", "use_bias": False}, SEQUENCES),
    ("Conv1D", {"filters": 7, "kernel_size": 2, "strides": 2}, (3, 8, 3)),  # windows that are rows as they stand
    ("Conv1D", {"filters": 2, "kernel_size": 5, "padding": "same"}, (3, 9, 1)),  # a channel alone: short runs
    ("Conv2D", {"filters": 2, "kernel_size": [2, 3], "activation": "tanh"}, (2, 6, 5, 1)),
    ("Conv1D", {"filters": 2, "kernel_size": 5, "padding": "same"}, (1, 2, 3)),  # a window longer than the input
    ("Conv1D", {"filters": 2, "kernel_size": 3, "kernel_regularizer": "l2", "bias_regularizer": "l2",
                "activity_regularizer": "l2", "kernel_constraint": "max_norm", "bias_constraint": "non_neg",
                "kernel_initializer": "he_normal", "bias_initializer": "ones", "trainable": False}, SEQUENCES),
]  # fmt: skip
MASKED = [
    ("Conv1D", {"filters": 2, "kernel_size": 3}),
]  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, inputs_for(rng, options, shape))


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_unknown_sizes_stay_unknown_as_in_keras(keras, name, options, shape):
    keeps_unknown_sizes(keras, name, options, shape)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:.*does not support mask")
@pytest.mark.parametrize("name, options", labelled(MASKED))
def test_masks_are_used_and_dropped_as_in_keras(keras, rng, name, options):
    mask = mask_of_used_rows(rng, *SEQUENCES[:2])
    agrees_with_keras(keras, rng, name, options, inputs_for(rng, options, SEQUENCES), masks=[mask])


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    small_gradients_hold(rng, name, options, shape)


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("groups", [1, 2])
def test_every_engine_gives_the_gradients_of_convolutions(rng, groups, data_format):
    options = {"groups": groups, "data_format": data_format, "activation": "tanh", "padding": "same"}
    layer = layers.Conv1D(6, 3, **options, dtype="float64")
    gradients_hold(layer, rng, inputs_for(rng, options, (2, 5, 4)).astype("float64"))


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_a_second_call_with_the_same_memory_and_a_frozen_layer_change_nothing(rng, name, options, shape):
    memory_is_free_again(rng, name, options, shape)


def test_a_model_with_convolutions_learns_on_sequences_of_any_length(rng):
    model = Sequential([
        layers.Input((None, 3)),
        layers.Conv1D(8, 3, padding="causal", activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(8, 3, activation="tanh", groups=2),
        layers.GlobalAveragePooling1D(),
        layers.Dense(1),
    ])  # fmt: skip
    model.compile(Adam(0.01), "mse")
    x = rng.normal(size=(64, 20, 3)).astype("float32")
    y = x[:, :, :1].mean(axis=1) * 3
    losses = model.fit(x, y, epochs=30, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 3
    assert model.predict(x[:, :9], verbose=0).shape == (64, 1)
    with pytest.raises(ValueError, match="a window covers"):
        model.predict(x[:, :4], verbose=0)


@pytest.mark.keras
def test_keras_opens_what_is_saved_and_the_other_way_round(keras, rng, tmp_path):
    model = Sequential([
        layers.Input((12, 4)),
        layers.ZeroPadding1D(1),
        layers.Conv1D(6, 3, activation="relu", groups=2),
        layers.MaxPooling1D(2, padding="same"),
        layers.Cropping1D((0, 1)),
        layers.AveragePooling1D(2, strides=1),
        layers.GlobalMaxPooling1D(),
    ])  # fmt: skip
    x = rng.normal(size=(3, 12, 4)).astype("float32")
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(theirs(x), expected, atol=1e-6)
    for ending in ("keras", "h5"):
        theirs.save(tmp_path / f"theirs.{ending}")
        result = saving.load_model(tmp_path / f"theirs.{ending}").predict(x, verbose=0)
        np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("make, message", [
    (lambda: layers.Conv1D(0, 3), "filters: expected an integer"),
    (lambda: layers.Conv1D(4, (3, 3)), "kernel_size: expected an integer"),
    (lambda: layers.Conv2D(4, (3, 0)), "kernel_size: expected an integer or 2 of them, each at least 1"),
    (lambda: layers.Conv1D(4, 3, strides=0), "strides: expected"),
    (lambda: layers.Conv1D(4, 3, dilation_rate="2"), "dilation_rate: expected"),
    (lambda: layers.Conv1D(4, 3, strides=2, dilation_rate=2), "cannot both exceed 1"),
    (lambda: layers.Conv1D(4, 3, groups=3), "filters must be a multiple of groups"),
    (lambda: layers.Conv1D(4, 3, padding="full"), "padding must be one of valid, same, causal, got 'full'"),
    (lambda: layers.Conv2D(4, 3, padding="causal"), "padding must be one of valid, same, got 'causal'"),
])  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("layer, shape, message", [
    (layers.Conv1D(4, 3), (2, 5), r"expected input of shape \(batch, size1, channels\), got \(2, 5\)"),
    (layers.Conv2D(4, 3, data_format="channels_first"), (2, 5, 5), r"shape \(batch, channels, size1, size2\)"),
    (layers.Conv1D(4, 3, groups=2), (2, 5, 3), "multiple of groups=2"),
    (layers.Conv1D(4, 3), (2, 2, 3), r"covers \(3,\) cells, but the input of shape \(2, 2, 3\) has only \(2,\)"),
    (layers.Conv1D(4, 3, dilation_rate=2), (2, 4, 3), r"a window covers \(5,\) cells"),
])  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, "float32"))


def test_other_channels_than_the_layer_was_built_for_are_refused():
    layer = layers.Conv1D(4, 3)
    layer(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match=r"expected input with 3 channels \(channels_last\), got shape \(2, 5, 4\)"):
        layer(np.zeros((2, 5, 4)))
    with pytest.raises(ValueError, match="the channels must be known"):
        layers.Conv1D(4, 3).build((None, 5, None))
