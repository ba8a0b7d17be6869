"""Sequences of unequal length are padded with those that are about as long, and each comes once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru import data, random
from fastgru.data import Batches, Column, PaddedColumn, Sequences, StepsColumn, TrimmedColumn
from fastgru.data.padding import by_length, drawn_by_length

N = 43


@pytest.fixture
def sequences(rng: np.random.Generator) -> Any:
    """Of pairs of numbers, the first of which tells whose they are."""
    return [np.full((length, 2), index + 1.0) for index, length in enumerate(rng.integers(1, 30, N))]


def source(values: Any) -> Sequences:
    rows = data.source(values, "x")
    assert isinstance(rows, Sequences)
    return rows


@pytest.mark.parametrize("shuffle", [True, False, None, "batch"])
@pytest.mark.parametrize("bucketed", [True, False])
def test_every_sequence_comes_once_with_its_mask_and_target(sequences: Any, shuffle: Any, bucketed: bool) -> None:
    x = source(sequences)
    steps = TrimmedColumn(Column(source([array[:, 0] for array in sequences]).whole()), x.lengths)
    columns = [PaddedColumn(x, "float32"), Column(np.arange(N)), steps, StepsColumn(x.lengths)]
    batches = Batches(columns, 8, shuffle, lengths=x.lengths if bucketed and shuffle != "batch" else None)
    for _ in range(2):
        seen: list[int] = []
        for batch, places, targets, mask in batches.epoch():
            assert batch.dtype == np.float32
            assert batch.flags.c_contiguous and targets.flags.c_contiguous
            assert batch.shape[:2] == mask.shape == targets.shape == (len(places), x.lengths[places].max())
            for row, place, target, counts in zip(batch, places, targets, mask, strict=True):
                np.testing.assert_array_equal(row[counts], sequences[place])
                np.testing.assert_array_equal(target[counts], sequences[place][:, 0])
                assert counts.sum() == len(sequences[place]) and counts[: counts.sum()].all()
                assert not row[~counts].any()
            seen += places.tolist()
        assert sorted(seen) == list(range(N))
        if not shuffle and not bucketed:
            assert seen == list(range(N))


def steps_of(order: np.ndarray, lengths: np.ndarray, size: int) -> int:
    """How many steps are computed, padded ones included."""
    parts = np.split(order, range(size, len(order), size))
    return sum(len(part) * lengths[part].max() for part in parts)


def test_hardly_any_padding_is_computed(rng: np.random.Generator) -> None:
    lengths = rng.integers(1, 200, 3000)
    own = lengths.sum()
    assert steps_of(np.arange(3000), lengths, 32) > 1.9 * own
    assert steps_of(by_length(lengths), lengths, 32) < 1.02 * own
    assert steps_of(drawn_by_length(lengths, 32), lengths, 32) < 1.05 * own


def test_batches_come_in_no_order_of_length(rng: np.random.Generator) -> None:
    lengths = rng.integers(1, 200, 3200)
    random.seed_stream(1)
    first, second = drawn_by_length(lengths, 32), drawn_by_length(lengths, 32)
    assert sorted(first) == sorted(second) == list(range(3200))
    assert not np.array_equal(first, second)
    random.seed_stream(1)
    np.testing.assert_array_equal(drawn_by_length(lengths, 32), first)
    longest = lengths[first].reshape(100, 32).max(axis=1)
    assert abs(np.corrcoef(np.arange(100), longest)[0, 1]) < 0.3


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        lambda arrays: np.array(arrays, dtype=object),
        lambda arrays: [array.tolist() for array in arrays],
        lambda arrays: np.array([array.tolist() for array in arrays], dtype=object),
    ],
)
def test_lists_and_arrays_of_objects_hold_sequences(sequences: Any, form: Any) -> None:
    x = source(form(sequences))
    assert len(x) == N
    assert x.shape == (N, max(map(len, sequences)), 2)
    assert x.lengths.tolist() == list(map(len, sequences))
    np.testing.assert_array_equal(x[3:9].whole()[2, : len(sequences[5])], sequences[5])
    assert source(form([array[:, 0] for array in sequences])).ndim == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([np.ones((2, 2)), np.ones((0, 2))], "x: expected sequences with at least one step, but sequence 1 is empty"),
        ([[1], []], "sequence 1 is empty"),
        ([np.ones((2, 2)), np.ones((3, 3))], r"x: expected sequences of steps of one shape, got \(2,\) in sequence 0"),
        ([np.ones((2, 2)), np.ones(3)], r"and \(\) in sequence 1"),
        ([["a"], ["b", "c"]], "x: expected an array, got nested lists of unequal lengths"),
        ([[1, 2], 3], "x: expected an array, got nested lists of unequal lengths"),
        ([[[1], [2, 3]], [[1]]], "x: expected an array, got nested lists of unequal lengths"),
        (np.array([None, [1]], dtype=object), "x: expected real numbers, got ndarray of dtype object"),
    ],
)
def test_other_lists_are_refused(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.source(values, "x")


def test_sequences_of_equal_length_are_an_array() -> None:
    assert isinstance(data.source([np.ones((2, 3))] * 4, "x"), np.ndarray)
