"""Conv1DTranspose: real Keras, central differences, files, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold, inputs_for, normal

from fastgru import Sequential
from fastgru.layers import Conv1DTranspose
from fastgru.models import load_model

SHAPE = (2, 5, 3)
CASES = [
    {"kernel_size": size, "strides": stride, "dilation_rate": dilation, "padding": padding, "output_padding": behind}
    for size, (stride, dilation), padding, behind in itertools.product(
        (1, 2, 3, 4), ((1, 1), (2, 1), (3, 1), (1, 2)), ("valid", "same"), (None, 0, 1)
    )
    if behind is None or behind < stride
]
ALL = pytest.mark.parametrize("options", CASES, ids=lambda options: "-".join(map(str, options.values())))
FORMATS = pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])


@pytest.mark.keras
@FORMATS
@ALL
def test_it_is_that_of_keras(keras, rng, options, data_format) -> None:
    options = {**options, "filters": 2, "data_format": data_format, "activation": "tanh"}
    agrees_with_keras(keras, rng, "Conv1DTranspose", options, inputs_for(rng, options, SHAPE))


def test_unknown_sizes_stay_unknown() -> None:
    layer = Conv1DTranspose(2, 3, 2)
    assert layer.compute_output_shape((None, None, 3)) == (None, None, 2)
    assert layer.compute_output_shape((None, 5, 3)) == (None, 11, 2)


@FORMATS
@pytest.mark.parametrize("options", CASES[::5], ids=lambda options: "-".join(map(str, options.values())))
def test_its_gradients_are_those_of_its_outputs(rng, options, data_format) -> None:
    options = {**options, "filters": 2, "data_format": data_format, "activation": "tanh", "activity_regularizer": "l2"}
    layer = Conv1DTranspose(**options, dtype="float64")
    gradients_hold(layer, rng, inputs_for(rng, options, SHAPE).astype("float64"))


@pytest.mark.keras
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")
def test_files_go_both_ways(keras, rng, tmp_path, ending) -> None:
    x = normal(rng, SHAPE)
    ours = Sequential([Conv1DTranspose(2, 3, 2, "same", use_bias=False, input_shape=SHAPE[1:])])
    theirs = keras.Sequential([keras.Input(SHAPE[1:]), keras.layers.Conv1DTranspose(2, 4, 3, output_padding=1)])
    ours.save(tmp_path / f"ours{ending}")
    theirs.save(tmp_path / f"theirs{ending}")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / f"ours{ending}")(x), ours(x), atol=1e-6)
    np.testing.assert_allclose(load_model(tmp_path / f"theirs{ending}").predict(x), theirs(x), atol=1e-6)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"strides": 2, "dilation_rate": 2}, "strides and dilation_rate cannot both exceed 1"),
        ({"strides": 2, "output_padding": 2}, "output_padding must be less than strides, got 2 and 2"),
        ({"padding": "causal"}, "padding must be one of valid, same, got 'causal'"),
        ({"filters": 0}, "filters"),
    ],
)
def test_bad_options_are_refused(options, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        Conv1DTranspose(**{"filters": 2, "kernel_size": 3, **options})


def test_other_channels_are_refused(rng) -> None:
    layer = Conv1DTranspose(2, 3, name="up")
    layer(normal(rng, SHAPE))
    with pytest.raises(ValueError, match=r"'up': expected input with 3 channels \(channels_last\), got shape \(2"):
        layer(np.ones((2, 5, 1)))
