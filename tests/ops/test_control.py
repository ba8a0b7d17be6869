"""Loops and branches do what Keras's do, and gradients go through them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import ops


@pytest.mark.keras
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_runs_and_is_differentiated_as_keras_on_jax_does(keras: Any, rng: Any, reverse: bool) -> None:
    import jax

    xs = rng.normal(size=(5, 3)).astype("float32")
    w = rng.normal(size=3).astype("float32")

    def loss(library: Any, w: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            new = library.tanh(carry * w + x)
            return new, {"y": new * 2}

        carry, ys = library.scan(step, library.zeros(3), library.convert_to_tensor(xs), reverse=reverse)
        return library.sum(ys["y"] * ys["y"]) + library.sum(carry)

    expected, d_w = jax.value_and_grad(lambda w: loss(keras.ops, w))(w)
    v = fastgru.Variable(w)
    with fastgru.GradientTape() as tape:
        y = loss(ops, v)
    np.testing.assert_allclose(y, np.asarray(expected), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(y, v), np.asarray(d_w), rtol=1e-5)


@pytest.mark.keras
def test_loops_and_branches_are_keras_ones(keras: Any) -> None:
    x = np.arange(4.0, dtype="float32")
    for call in (
        lambda o: o.while_loop(lambda i, y: i < 5, lambda i, y: (i + 1, y * 2), (0, o.convert_to_tensor(x)))[1],
        lambda o: o.while_loop(lambda i: i < 5, lambda i: i + 1, 0, maximum_iterations=3),
        lambda o: o.fori_loop(1, 4, lambda i, y: y + i, o.convert_to_tensor(x)),
        lambda o: o.cond(o.sum(o.convert_to_tensor(x)) > 3, lambda: o.ones(2), lambda: o.zeros(2)),
        lambda o: o.switch(7, [lambda y: y, lambda y: -y], o.convert_to_tensor(x)),
        lambda o: o.map(lambda y: y**2, o.convert_to_tensor(x)),
        lambda o: o.vectorized_map(lambda y: o.sum(y * y), o.ones((3, 2))),
        lambda o: o.associative_scan(lambda a, b: a + b, o.convert_to_tensor(x)),
        lambda o: o.associative_scan(lambda a, b: a * b, o.convert_to_tensor(x + 1), reverse=True),
        lambda o: o.vectorize(lambda a, b: a + 2 * b)(o.convert_to_tensor(x), o.ones((2, 1))),
        lambda o: o.scan(lambda c, _: (c + 1, c), o.zeros(()), length=3)[1],
    ):
        np.testing.assert_allclose(np.asarray(call(ops)), np.asarray(call(keras.ops)), rtol=1e-6)


def test_a_gradient_goes_through_what_was_run() -> None:
    x = ops.convert_to_tensor(3.0)
    with fastgru.GradientTape() as tape:
        tape.watch(x)
        y = ops.while_loop(lambda y: y < 20, lambda y: y * x, x)  # x ** 3
        y = ops.cond(y > 0, lambda: ops.fori_loop(0, 2, lambda i, z: z + i * x, y), lambda: y)
    assert float(tape.gradient(y, x)) == 3 * 9 + 1
