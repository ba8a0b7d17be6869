"""Windows and pairs of words as old programs make them, against Keras's own."""

from __future__ import annotations

import importlib
import random
from typing import Any

import numpy as np
import pytest

from fastgru import preprocessing
from fastgru.preprocessing import sequence
from fastgru.utils import pad_sequences


@pytest.fixture
def legacy(keras: Any) -> Any:
    return importlib.import_module("keras.src.legacy.preprocessing.sequence")


@pytest.mark.parametrize(
    "options",
    [
        {}, {"sampling_rate": 2, "stride": 3, "batch_size": 4}, {"start_index": 3, "end_index": 30, "reverse": True},
        {"batch_size": 1000},
    ],
)  # fmt: skip
@pytest.mark.keras
def test_windows_are_keras_own(legacy, rng, options: dict[str, Any]) -> None:
    data, targets = rng.normal(size=(50, 2)), rng.normal(size=50)
    ours, theirs = (module.TimeseriesGenerator(data, targets, 6, **options) for module in (sequence, legacy))
    assert len(ours) == len(theirs)
    for index in range(len(ours)):
        for received, expected in zip(ours[index], theirs[index], strict=True):
            np.testing.assert_array_equal(received, expected)


def test_windows_may_be_drawn_at_random(rng) -> None:
    windows = sequence.TimeseriesGenerator(np.arange(30), np.arange(30), 4, shuffle=True, batch_size=16)
    x, y = windows[0]
    np.testing.assert_array_equal(x[:, -1] + 1, y)
    assert [len(batch[1]) for batch in windows] == [16, 16]


@pytest.mark.parametrize(
    ("data", "targets", "message"), [([1, 2], [1], "of same length"), ([1, 2], [1, 2], "is disallowed")]
)
def test_a_series_without_windows_is_refused(data: Any, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sequence.TimeseriesGenerator(data, targets, 4)


@pytest.mark.parametrize(
    "options", [{}, {"window_size": 1, "categorical": True}, {"negative_samples": 0}, {"shuffle": False}, {"seed": 5}]
)
@pytest.mark.keras
def test_pairs_of_words_are_keras_own(legacy, options: dict[str, Any]) -> None:
    words = [3, 1, 0, 2, 9, 9, 4, 1]
    table = sequence.make_sampling_table(10, 0.5)
    np.testing.assert_allclose(table, legacy.make_sampling_table(10, 0.5))
    for more in ({}, {"sampling_table": table}):
        answers = []
        for module in (sequence, legacy):
            random.seed(3)
            answers.append(module.skipgrams(words, 10, **options, **more))
        assert answers[0] == answers[1]


def test_the_old_names_lead_to_the_new_functions() -> None:
    assert sequence.pad_sequences is pad_sequences
    assert preprocessing.timeseries.timeseries_dataset_from_array is preprocessing.timeseries_dataset_from_array
