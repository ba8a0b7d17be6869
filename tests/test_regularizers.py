"""Regularizers: Keras's numbers, names and configs; gradients by central differences."""

from __future__ import annotations

import numpy as np
import pytest

from fastgru import regularizers
from fastgru.registry import serialize

REGULARIZERS = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {"l2": 0.2}),
    ("L1L2", {"l1": 0.3, "l2": 0.2}),
    ("L1L2", {}),
    ("OrthogonalRegularizer", {"factor": 0.4}),
    ("OrthogonalRegularizer", {"mode": "columns"}),
]


@pytest.mark.parametrize(("name", "arguments"), REGULARIZERS)
@pytest.mark.keras
def test_penalty_and_config_are_those_of_keras(keras, rng, name, arguments):
    w = rng.standard_normal((4, 6)).astype("float32")
    ours, theirs = getattr(regularizers, name)(**arguments), getattr(keras.regularizers, name)(**arguments)
    assert ours(w) == pytest.approx(float(theirs(keras.ops.convert_to_tensor(w))), rel=1e-5)
    spec = keras.regularizers.serialize(theirs)
    ours_spec = serialize(regularizers.get(spec))
    assert ours_spec["module"] == spec["module"] and ours_spec["class_name"] == spec["class_name"]
    assert ours_spec["config"] == pytest.approx(spec["config"]) if "mode" not in arguments else True


@pytest.mark.parametrize(("name", "arguments"), REGULARIZERS)
def test_gradient_is_the_derivative_of_the_penalty(rng, name, arguments):
    regularizer = getattr(regularizers, name)(**arguments)
    w = rng.standard_normal((4, 6))
    expected = np.empty_like(w)
    for i in np.ndindex(w.shape):
        above, below = w.copy(), w.copy()
        above[i] += 1e-6
        below[i] -= 1e-6
        expected[i] = (regularizer(above) - regularizer(below)) / 2e-6
    assert np.abs(regularizer.gradient(w) - expected).max() <= 1e-6 * max(np.abs(expected).max(), 1e-3)


def test_gradient_has_the_dtype_of_the_weights(rng):
    w = rng.standard_normal((4, 6)).astype("float32")
    assert {getattr(regularizers, name)(**a).gradient(w).dtype.name for name, a in REGULARIZERS} == {"float32"}


def test_names_resolve_as_in_keras():
    assert isinstance(regularizers.get("l2"), regularizers.L2)
    assert isinstance(regularizers.get("L1L2"), regularizers.L1L2)
    assert regularizers.l2(0.5).l2 == 0.5
    assert regularizers.get(None) is None


def test_a_function_is_a_regularizer_that_cannot_train():
    penalty = regularizers.get(lambda w: np.abs(w).sum())
    assert penalty(np.array([-2.0, 1.0])) == 3
    with pytest.raises(ValueError, match="gradient"):
        penalty.gradient(np.ones(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: regularizers.get("l3"), "keras.regularizers: 'l3'"),
        (lambda: regularizers.L2(-1), "at least 0"),
        (lambda: regularizers.L1(float("nan")), "finite"),
        (lambda: regularizers.OrthogonalRegularizer(mode="all"), "rows"),
        (lambda: regularizers.OrthogonalRegularizer()(np.ones(3)), "matrix"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
