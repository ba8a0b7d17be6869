"""One recurrent layer's passes on raw arrays: they are Keras's, and their memory is handed on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru.bridges import memory
from fastgru.bridges.memory import Workspace
from fastgru.bridges.sequence import Cell, Direction, Pass, Weights, forward

LENGTHS = np.array([7, 3, 5, 0, 6])
B, T, F, H = 5, 7, 3, 9
GATES = {"gru": 3, "lstm": 4}


def weights_of(rng: Any, kind: str, dtype: str, **options: Any) -> Weights:
    n = GATES[kind] * H
    bias = (n,) if kind == "lstm" else (2, n) if options.get("reset_after", True) else (1, n)
    arrays = [rng.normal(size=shape).astype(dtype) / 2 for shape in ((F, n), (H, n), bias)]
    return Weights(Cell(kind, **options), *arrays)


def directions_of(rng: Any, kind: str, dtype: str) -> list[Direction]:
    count = 2 if kind == "lstm" else 1
    return [
        Direction(
            weights_of(rng, kind, dtype), tuple(rng.normal(size=(B, H)).astype(dtype) for _ in range(count)), back
        )
        for back in (False, True)
    ]


MASK = np.arange(T) < LENGTHS[:, None]


@pytest.mark.keras
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_outputs_and_last_states_are_those_of_keras(keras: Any, rng: Any, kind: str, masked: bool) -> None:
    x, mask = rng.normal(size=(B, T, F)).astype("float32"), MASK if masked else None
    for direction in directions_of(rng, kind, "float32"):
        layer = getattr(keras.layers, kind.upper())(
            H, return_sequences=True, return_state=True, go_backwards=direction.go_backwards, zero_output_for_mask=True
        )
        layer.build(x.shape)
        weights = direction.weights
        layer.set_weights([weights.kernel, weights.recurrent_kernel, weights.bias])
        theirs = layer(x, initial_state=list(direction.states), mask=mask)
        for training in (False, True):
            [ours] = forward([direction], x, mask, training=training).outputs
            for one, other in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(one, np.asarray(other), atol=1e-5)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_gradients_are_those_of_the_outputs(rng: Any, kind: str) -> None:
    directions = directions_of(rng, kind, "float64")
    x = rng.normal(size=(B, T, F))
    parts = [tuple(rng.normal(size=y.shape) for y in out) for out in forward(directions, x, MASK).outputs]

    def value() -> float:
        for direction in directions:
            direction.weights.__dict__.pop("packed", None)  # the numbers have changed
        outputs = forward(directions, x, MASK).outputs
        return float(
            sum(np.vdot(a, b) for out, part in zip(outputs, parts, strict=True) for a, b in zip(out, part, strict=True))
        )

    run = forward(directions, x, MASK, training=True)
    gradients = run.backward(parts, states=True)
    pairs = [(x, gradients.inputs)]
    for direction, d_states, d_weights in zip(directions, gradients.states, gradients.weights, strict=True):
        weights = direction.weights
        pairs += zip(direction.states, d_states, strict=True)
        pairs += zip((weights.kernel, weights.recurrent_kernel, weights.bias), d_weights, strict=True)
    for array, gradient in pairs:
        for _ in range(3):
            place = tuple(rng.integers(array.shape))
            step, before = 1e-6, array[place]
            array[place] = before + step
            above = value()
            array[place] = before - step
            slope = (above - value()) / (2 * step)
            array[place] = before
            assert gradient[place] == pytest.approx(slope, abs=1e-7, rel=1e-7)


def test_a_second_backward_pass_gives_the_same_gradients(rng: Any) -> None:
    run = forward(directions_of(rng, "gru", "float32"), rng.normal(size=(B, T, F)).astype("float32"), training=True)
    d_outputs = [(None, rng.normal(size=(B, H)).astype("float32")) for _ in range(2)]
    first, second = run.backward(d_outputs), run.backward(d_outputs)
    np.testing.assert_array_equal(first.inputs, second.inputs)
    for ours, others in zip(first.weights, second.weights, strict=True):
        for one, other in zip(ours, others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_only_the_gradients_that_are_asked_for_are_computed(rng: Any) -> None:
    run: Pass = forward(directions_of(rng, "lstm", "float32"), np.ones((B, T, F), "float32"), training=True)
    asked = [(True, False, False), (False, False, True)]
    gradients = run.backward([(None, np.ones((B, H), "float32"), None)] * 2, inputs=False, weights=asked)
    assert gradients.inputs is None
    assert [tuple(d is not None for d in each) for each in gradients.weights] == asked
    assert gradients.states == [(None, None)] * 2


def test_memory_goes_on_to_the_next_pass_and_never_to_two_at_once() -> None:
    first, second = Workspace(1000, 50, dtype="float32"), Workspace(1000, 50, dtype="float32")
    places = {workspace.arrays[0].ctypes.data for workspace in (first, second)}
    assert len(places) == 2
    assert all(array.ctypes.data % 64 == 0 for array in (*first.arrays, *second.arrays))
    del first
    second.release()
    again = [Workspace(1050, dtype="float32"), Workspace(1050, dtype="float32")]
    assert {workspace.arrays[0].ctypes.data for workspace in again} == places


def test_what_lies_idle_never_exceeds_what_was_used_at_once() -> None:
    for size in range(10_000_000, 30_000_000, 5_000_000):
        Workspace(size, dtype="float32")
    Workspace(1, dtype="float32")
    assert sum(each.nbytes for each in memory._idle) <= memory._most_used_bytes
