"""Keras's utilities give Keras's answers."""

from __future__ import annotations

import numpy as np
import pytest

from fastgru import utils


@pytest.mark.parametrize(
    ("x", "num_classes"),
    [
        ([0, 2, 1], None),
        ([0, 2, 1], 5),
        ([[0], [2]], 3),
        ([[0, 1], [2, 1]], 3),
        (np.array([[[1], [0]]], np.uint8), None),
        ([1.0, 2.9], 4),
        (1, 3),
        (np.zeros((0,), int), 3),
        ([True, False], 2),
    ],
)
@pytest.mark.keras
def test_to_categorical_is_keras_own(keras, x: object, num_classes: int | None) -> None:
    expected = keras.utils.to_categorical(x, num_classes)
    received = utils.to_categorical(x, num_classes)
    np.testing.assert_array_equal(received, expected)
    assert received.dtype == expected.dtype


def test_to_categorical_puts_a_one_at_each_label() -> None:
    np.testing.assert_array_equal(utils.to_categorical([2, 0], 3), [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize(
    ("x", "num_classes", "error", "message"),
    [
        ([0, 3], 3, IndexError, "from 0 to 2, got 3"),
        ([0, -1], 3, IndexError, "from 0 to 2, got -1"),
        ([0.0, np.nan], 3, ValueError, "NaN"),
        ([], None, ValueError, "num_classes"),
        (["cat"], None, ValueError, "cat"),
    ],
)
def test_to_categorical_refuses(x: object, num_classes: int | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        utils.to_categorical(x, num_classes)


@pytest.mark.parametrize("order", [1, 2, np.inf])
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.keras
def test_normalize_is_keras_own(keras, rng, axis: int, order: float) -> None:
    x = rng.normal(size=(3, 4, 5))
    x[1] = 0
    np.testing.assert_allclose(utils.normalize(x, axis, order), keras.utils.normalize(x, axis, order), rtol=1e-12)


def test_normalize_takes_the_first_axis_too(rng) -> None:
    x = rng.normal(size=(3, 4))
    np.testing.assert_allclose(np.linalg.norm(utils.normalize(x, axis=0), axis=0), 1)
