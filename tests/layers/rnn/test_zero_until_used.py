"""TensorFlow's rule of masking, which old files keep."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import (
    gradients_hold,
)

from fastgru import layers

F64 = {"dtype": "float64"}


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
