"""Keras's Variable: made, assigned and read as in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import Variable
from fastgru.layers import Dense


@pytest.mark.keras
@pytest.mark.parametrize(
    ("first", "options"),
    [
        ([1.0, 2.0], {}),
        ([1, 2], {}),
        (3.0, {}),
        (np.ones((2, 3), "float32"), {"trainable": False, "name": "a"}),
        (np.ones((2, 3)), {"dtype": "float32"}),
        ("ones", {"shape": (2, 2)}),
        (fastgru.initializers.Zeros(), {"shape": (2,), "dtype": "int32"}),
    ],
)
def test_a_variable_is_made_as_in_keras(keras: Any, first: Any, options: Any) -> None:
    their_first = keras.initializers.Zeros() if callable(first) else first
    ours, theirs = Variable(first, **options), keras.Variable(their_first, **options)
    assert ours.shape == tuple(theirs.shape)
    assert ours.dtype == theirs.dtype
    assert (ours.trainable, ours.ndim) == (theirs.trainable, theirs.ndim)
    np.testing.assert_array_equal(ours.numpy(), np.asarray(theirs.value))


def test_a_variable_is_assigned_in_whole_and_by_steps() -> None:
    v = Variable([1.0, 2.0])
    v.assign([3, 4])
    v.assign_add([1, 1])
    v.assign_sub(np.array([0, 2]))
    assert v.numpy().tolist() == [4, 3]
    with pytest.raises(ValueError, match=r"expected shape \(2,\), got \(3,\)"):
        v.assign([1, 2, 3])


def test_the_weights_of_layers_are_variables() -> None:
    layer = Dense(2)
    layer.build((None, 3))
    assert isinstance(layer.kernel, Variable)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Variable("ones"), "an initializer needs a shape"),
        (lambda: Variable([1.0], shape=(2,)), r"expected numbers of shape \(2,\), got \(1,\)"),
        (lambda: Variable([1.0], name="a/b"), "expected name to be a string without '/'"),
        (lambda: Variable([1.0], layout="x"), "layout is not supported by fastgru"),
    ],
)
def test_what_is_no_variable_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
