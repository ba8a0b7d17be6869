"""Flatten, Reshape, Permute and RepeatVector: real Keras, central differences, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import (
    agrees_with_keras,
    gradients_hold,
    labelled,
    mask_with_gaps,
    normal,
)

from fastgru import layers

SEQUENCES, IMAGES, ROWS = (4, 6, 5), (2, 3, 4, 5), (7, 5)
CASES = [
    *(("Flatten", {"data_format": f}, shape) for f in (None, "channels_first") for shape in (SEQUENCES, IMAGES, ROWS)),
    ("Flatten", {}, (4,)),
    ("Reshape", {"target_shape": (15, 2)}, SEQUENCES),
    ("Reshape", {"target_shape": (2, -1, 3)}, SEQUENCES),
    ("Reshape", {"target_shape": [-1]}, IMAGES),
    ("Permute", {"dims": (2, 1)}, SEQUENCES),
    ("Permute", {"dims": (3, 1, 2)}, IMAGES),
    ("RepeatVector", {"n": 3}, ROWS),
]
MASKED = [
    ("Flatten", {}),
    ("Reshape", {"target_shape": (-1,)}),
    ("Permute", {"dims": (2, 1)}),
]  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape))


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:.*does not support mask")
@pytest.mark.parametrize("name, options", labelled(MASKED))
def test_masks_go_on_or_end_as_in_keras(keras, rng, name, options):
    agrees_with_keras(keras, rng, name, options, normal(rng, SEQUENCES), masks=[mask_with_gaps(rng, SEQUENCES[:2])])


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_unknown_sizes_stay_unknown_as_in_keras(keras, name, options, shape):
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    for free in ((None, *shape[1:]), (shape[0], None, *shape[2:])[: len(shape)]):
        assert ours.compute_output_shape(free) == theirs.compute_output_shape(free)


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


@pytest.mark.parametrize("make, x, message", [
    (lambda: layers.Flatten("channels"), None, "data_format must be"),
    (lambda: layers.Reshape((2, 4)), np.ones((3, 6)), r"has 6 numbers in each sample, .* \(2, 4\)"),
    (lambda: layers.Reshape((-1, 4)), np.ones((3, 6)), r"has 6 numbers in each sample, .* \(-1, 4\)"),
    (lambda: layers.Reshape((-1, -1)), None, "at most one -1"),
    (lambda: layers.Permute((0, 1)), None, "dims must hold each of 1, 2"),
    (lambda: layers.Permute((2, 1)), np.ones((3, 6)), r"expected input with 3 axes .* \(3, 6\)"),
    (lambda: layers.RepeatVector(0), None, "n must be a positive integer"),
    (lambda: layers.RepeatVector(2), np.ones((3, 6, 2)), r"expected input of shape \(batch, features\)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)
