"""Seeds and names that are global in a process."""

from __future__ import annotations

import random as python_random

import numpy as np
import pytest

from fastgru import random, utils
from fastgru.naming import unique_name


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
