"""The search for the likeliest labels finds them, and those that Keras finds."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import activations


def spelled(classes: tuple[int, ...], blank: int) -> tuple[int, ...]:
    return tuple(one for one, _ in itertools.groupby(classes) if one != blank)


@pytest.mark.parametrize("blank", [0, 2])
def test_a_wide_search_finds_the_likeliest_of_all_labels(blank: int, rng: np.random.Generator) -> None:
    scores = rng.normal(size=(1, 5, 3))
    p: dict[tuple[int, ...], float] = {}
    for classes in itertools.product(range(3), repeat=5):
        of_path = np.exp(activations.log_softmax(scores)[0, np.arange(5), classes].sum())
        p[spelled(classes, blank)] = p.get(spelled(classes, blank), 0) + of_path
    likeliest = sorted(p, key=lambda one: -p[one])[:6]
    paths, total = fastgru.ops.ctc_decode(scores, [5], "beam_search", beam_width=100, top_paths=6, mask_index=blank)
    assert [tuple(path[path >= 0]) for path in np.asarray(paths)[:, 0]] == likeliest
    np.testing.assert_allclose(total[0], np.log([p[one] for one in likeliest]), rtol=0, atol=1e-10)


@pytest.mark.keras
@pytest.mark.parametrize("width", [3, 20])
@pytest.mark.parametrize("blank", [0, 4])
def test_a_search_finds_what_keras_finds(keras: Any, width: int, blank: int, rng: np.random.Generator) -> None:
    scores = rng.normal(size=(3, 9, 5), scale=2).astype("float32")
    (paths, total), (paths_of_keras, total_of_keras) = (
        module.ops.ctc_decode(scores, np.array([9, 4, 6]), "beam_search", width, 3, mask_index=blank)
        for module in (fastgru, keras)
    )
    np.testing.assert_array_equal(paths, np.asarray(paths_of_keras))
    np.testing.assert_allclose(total, np.asarray(total_of_keras), rtol=0, atol=1e-5)


def test_labels_that_are_not_there_have_no_probability() -> None:
    paths, total = fastgru.ops.ctc_decode(np.zeros((1, 1, 2), "float32"), [1], "beam_search", 9, 4)
    assert np.asarray(paths)[:, 0, 0].tolist() in ([1, -1, -1, -1], [-1, 1, -1, -1])
    np.testing.assert_allclose(total[0, :2], np.log([0.5, 0.5]), rtol=1e-6)
    assert (np.asarray(total)[0, 2:] < -1e20).all()
