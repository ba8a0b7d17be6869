"""Activations under a gradient tape."""

from __future__ import annotations

import numpy as np

from fastgru import GradientTape, activations, ops


def test_an_activation_in_a_call_is_recorded(rng) -> None:
    x = ops.convert_to_tensor(rng.normal(size=(2, 3)))
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(activations.get("tanh")(x))
    np.testing.assert_allclose(tape.gradient(y, x), 1 - np.tanh(x) ** 2, rtol=1e-6)


def test_outside_of_a_tape_it_returns_an_array(rng) -> None:
    assert type(activations.get("tanh")(rng.normal(size=3))) is np.ndarray
