"""Padding and cropping of sequences: real Keras, central differences, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import (
    agrees_with_keras,
    combinations,
    inputs_for,
    keeps_unknown_sizes,
    labelled,
    mask_of_used_rows,
    memory_is_free_again,
    small_gradients_hold,
)

from fastgru import layers

SEQUENCES, IMAGES = (3, 11, 4), (2, 7, 9, 4)  # channels last
CASES = [
    *combinations("ZeroPadding1D", SEQUENCES, padding=[0, 2, (3, 1)]),
    ("ZeroPadding1D", {}, SEQUENCES),
    *(("Cropping1D", {"cropping": cropping}, SEQUENCES) for cropping in (0, 2, (3, 1), (0, 4), (4, 0))),
    ("Cropping1D", {}, SEQUENCES),
]
MASKED = [
    ("ZeroPadding1D", {}),
    ("Cropping1D", {}),
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


@pytest.mark.parametrize("name, options, shape", labelled(CASES))
def test_a_second_call_with_the_same_memory_and_a_frozen_layer_change_nothing(rng, name, options, shape):
    memory_is_free_again(rng, name, options, shape)


@pytest.mark.parametrize("make, message", [
    (lambda: layers.ZeroPadding1D(-1), "padding: expected an integer or 2 of them, each at least 0"),
    (lambda: layers.Cropping1D((1, 2, 3)), "cropping: expected an integer or 2 of them"),
])  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("layer, shape, message", [
    (layers.ZeroPadding1D(), (2, 5), "expected input of shape"),
    (layers.Cropping1D(2), (2, 4, 3), r"cropping \(2, 2\) leaves nothing of input of shape \(2, 4, 3\)"),
])  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, "float32"))
