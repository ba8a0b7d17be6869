"""Pooling: real Keras, central differences, masks, bad input."""

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

from fastgru import layers
from fastgru.layers.workspace import Call

SEQUENCES, IMAGES = (3, 11, 4), (2, 7, 9, 4)  # channels last
BOTH = ["valid", "same"]
CASES = [
    case
    for kind in ("Max", "Average")
    for case in [
        *combinations(f"{kind}Pooling1D", SEQUENCES, pool_size=[3], strides=[None, 1, 2, 5], padding=BOTH),
        *combinations(f"{kind}Pooling2D", IMAGES, pool_size=[2, (3, 2)], strides=[None, (1, 2)], padding=BOTH),
        *combinations(f"Global{kind}Pooling1D", SEQUENCES, keepdims=[False, True]),
        *combinations(f"Global{kind}Pooling2D", IMAGES, keepdims=[False, True]),
    ]
] + [("MaxPooling1D", {}, SEQUENCES), ("MaxPooling2D", {}, IMAGES), ("MaxPooling2D", {"strides": 3}, IMAGES)]
MASKED = [
    ("GlobalAveragePooling1D", {}),
    ("GlobalAveragePooling1D", {"keepdims": True}),
    ("GlobalAveragePooling1D", {"data_format": "channels_first"}),
    ("GlobalMaxPooling1D", {}),
    ("MaxPooling1D", {}),
    ("AveragePooling1D", {"pool_size": 2}),
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


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", [
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, SEQUENCES),
    ("MaxPooling2D", {"pool_size": 3, "strides": 1}, IMAGES),
    ("GlobalMaxPooling1D", {}, SEQUENCES),
    ("GlobalMaxPooling2D", {"data_format": "channels_first"}, IMAGES),
])  # fmt: skip
def test_equally_large_cells_get_the_gradient_that_keras_gives_them(keras, rng, name, options, shape):
    jax = pytest.importorskip("jax")
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    x = rng.integers(0, 3, shape).astype("float32")
    call = Call(differentiate=True)
    weighting = rng.normal(size=ours.forward(call, x).shape).astype("float32")
    expected = jax.grad(lambda x: (theirs(x) * weighting).sum())(x)
    np.testing.assert_allclose(ours.backward(call, weighting), expected, atol=1e-6)


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    small_gradients_hold(rng, name, options, shape)


@pytest.mark.parametrize("data_format", FORMATS)
def test_gradients_of_a_masked_mean_agree_with_central_differences(rng, data_format):
    layer = layers.GlobalAveragePooling1D(data_format, dtype="float64")
    x = inputs_for(rng, {"data_format": data_format}, SEQUENCES).astype("float64")
    gradients_hold(layer, rng, x, masks=[mask_of_used_rows(rng, *SEQUENCES[:2])])


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_masked_mean_does_not_see_masked_steps_and_is_nan_without_steps(rng, data_format):
    x, mask = rng.normal(size=(2, 4, 3)).astype("float32"), np.array([[True, False, True, False], [False] * 4])
    mean = x[0, [0, 2]].mean(axis=0)
    x[0, 1] = np.nan
    x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if data_format == "channels_first" else x
    y = layers.GlobalAveragePooling1D(data_format)(x, mask=mask)
    np.testing.assert_allclose(y[0], mean, rtol=1e-6)
    assert np.isnan(y[1]).all() and y.dtype == np.float32


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_a_second_call_with_the_same_memory_and_a_frozen_layer_change_nothing(rng, name, options, shape):
    memory_is_free_again(rng, name, options, shape)


def test_keras_other_names_stand_for_the_same_layers():
    for short, name in [("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling"), ("GlobalMaxPool", "GlobalMaxPooling"),
                        ("GlobalAvgPool", "GlobalAveragePooling"), ("Convolution", "Conv")]:  # fmt: skip
        for rank in ("1D", "2D"):
            assert getattr(layers, short + rank) is getattr(layers, name + rank)


@pytest.mark.parametrize("make, message", [
    (lambda: layers.MaxPooling1D(padding="causal"), "padding must be one of valid, same, got 'causal'"),
    (lambda: layers.MaxPooling1D(True), "pool_size: expected an integer"),
    (lambda: layers.AveragePooling2D(2, data_format="first"), "data_format must be"),
])  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("layer, shape, message", [
    (layers.MaxPooling2D(3), (2, 5, 2, 3), r"a window covers \(3, 3\) cells"),
    (layers.MaxPooling1D(3), (2, 5, 2, 3), "expected input of shape"),
    (layers.GlobalMaxPooling1D(), (2, 5), "expected input of shape"),
])  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, "float32"))
