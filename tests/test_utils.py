"""Keras's utilities give Keras's answers."""

from __future__ import annotations

import random as python_random

import numpy as np
import pytest

from fastgru import random, utils
from fastgru.naming import unique_name


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


def test_set_random_seed_seeds_python_numpy_and_fastgru() -> None:
    def drawn() -> tuple[float, float, float]:
        utils.set_random_seed(7)
        return python_random.random(), np.random.rand(), random.stream().random()  # noqa: NPY002

    assert drawn() == drawn()


@pytest.mark.parametrize("seed", ["7", 1.5, None, -1, 2**32, True])
def test_set_random_seed_refuses_what_is_no_seed(seed: object) -> None:
    before = random.stream()
    with pytest.raises(ValueError, match="whole number from 0"):
        utils.set_random_seed(seed)  # type: ignore[arg-type]
    assert random.stream() is before


def test_clear_session_lets_names_start_anew() -> None:
    assert [unique_name("GRU"), unique_name("GRU")] == ["gru", "gru_1"]
    utils.clear_session()
    assert unique_name("GRU") == "gru"
