"""Constraints: Keras's numbers, names and configs."""

from __future__ import annotations

import numpy as np
import pytest

from fastgru import constraints
from fastgru.registry import serialize

CONSTRAINTS = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 1.2, "axis": 1}),
    ("NonNeg", {}),
    ("UnitNorm", {"axis": 1}),
    ("UnitNorm", {"axis": [0, 1]}),
    ("MinMaxNorm", {"min_value": 1.8, "max_value": 2.1, "rate": 0.7}),
]


@pytest.mark.parametrize(("name", "arguments"), CONSTRAINTS)
@pytest.mark.keras
def test_constrained_weights_and_config_are_those_of_keras(keras, rng, name, arguments):
    w = rng.standard_normal((4, 6)).astype("float32")
    ours, theirs = getattr(constraints, name)(**arguments), getattr(keras.constraints, name)(**arguments)
    np.testing.assert_allclose(ours(w), np.asarray(theirs(w)), rtol=1e-5, atol=1e-7)
    assert ours(w).dtype == "float32"
    spec = keras.constraints.serialize(theirs)
    assert serialize(constraints.get(spec)) == {
        key: spec[key] for key in ("module", "class_name", "config", "registered_name")
    }


def test_names_resolve_as_in_keras():
    assert isinstance(constraints.get("max_norm"), constraints.MaxNorm)
    assert constraints.get("non_neg")(np.array([-1.0, 2.0])).tolist() == [0, 2]
    assert constraints.get(None) is None


def test_a_function_is_a_constraint_that_keeps_the_dtype():
    assert constraints.get(lambda w: w / 2)(np.float32([2])).dtype == "float32"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constraints.get("maxnorm"), "did you mean 'max_norm'"),
        (lambda: constraints.MaxNorm(-1), "MaxNorm: max_value must be at least 0, got -1"),
        (lambda: constraints.MinMaxNorm(min_value=3), "min_value must be at most max_value, got 3 and 1.0"),
        (lambda: constraints.MinMaxNorm(rate=7), r"rate must lie in \[0, 1\], got 7"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
