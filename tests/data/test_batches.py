"""Samples are checked, split, weighted and cut into batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arrangements import ARRANGEMENTS

from fastgru import data, random
from fastgru.data import Batches, Column

N = 11


def columns(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays whose rows tell which sample they are."""
    return np.arange(N)[:, None] + rng.random((1, 4)), np.arange(N)


@pytest.mark.parametrize("size", [1, 3, 11, 20])
@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_every_sample_comes_once_an_epoch_with_its_target(rng: np.random.Generator, size: int, shuffle: Any) -> None:
    x, y = columns(rng)
    batches = Batches([Column(x), None, Column(y)], size, shuffle)
    assert len(batches) == -(-N // size)
    for _ in range(2):
        seen: list[int] = []
        for a, none, b in batches.epoch():
            assert none is None
            np.testing.assert_array_equal(a, x[b])
            assert len(b) == size or len(seen) + len(b) == N
            seen += b.tolist()
        assert sorted(seen) == list(range(N))
        if shuffle is False:
            assert seen == list(range(N))


def order(batches: Batches) -> list[int]:
    return np.concatenate([y.copy() for _, y in batches.epoch()]).tolist()


def test_every_epoch_has_an_order_of_its_own(rng: np.random.Generator) -> None:
    batches = Batches([*map(Column, columns(rng))], 3, shuffle=True)
    first, second = order(batches), order(batches)
    assert first != second
    random.seed_stream(0)
    assert order(batches) == first


def test_shuffling_in_batches_keeps_the_batches(rng: np.random.Generator) -> None:
    batches = Batches([*map(Column, columns(rng))], 5, shuffle="batch")
    targets = [y.tolist() for _, y in batches.epoch()]
    assert [sorted(rows) for rows in targets] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10]]
    assert targets[:2] != [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_batches_in_order_are_slices_and_shuffled_ones_share_their_memory(rng: np.random.Generator) -> None:
    x, y = columns(rng)
    assert all(np.shares_memory(a, x) for a, _ in Batches([Column(x), Column(y)], 3).epoch())
    gathered = [a for a, _ in Batches([Column(x), Column(y)], 3, shuffle=True).epoch()]
    assert all(np.shares_memory(a, gathered[0]) for a in gathered)
    assert not np.shares_memory(gathered[0], x)


def test_a_number_of_steps_goes_on_where_the_last_epoch_stopped(rng: np.random.Generator) -> None:
    batches = Batches([*map(Column, columns(rng))], 2, steps=4)  # 6 batches in the data
    assert len(batches) == 4
    assert order(batches) == [0, 1, 2, 3, 4, 5, 6, 7]
    with pytest.warns(UserWarning, match="ran out after 2 of 4 steps"):
        assert order(batches) == [8, 9, 10]
    assert order(batches) == [0, 1, 2, 3, 4, 5, 6, 7]
    batches.restart()
    assert order(batches) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_steps_without_a_batch_size_share_out_the_samples(rng: np.random.Generator) -> None:
    assert Batches([*map(Column, columns(rng))], steps=4).batch_size == 3
    assert Batches([*map(Column, columns(rng))]).batch_size == 32


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.9, 0.95])
def test_the_last_samples_are_kept_for_validation(fraction: float) -> None:
    x = np.arange(20)
    first, last = data.split(data.samples(x, -x), fraction)
    at = int(np.floor(20 * (1 - fraction)))
    assert [part.tolist() for part in first.x] == [list(range(at))]
    assert [part.tolist() for part in last.x] == [list(range(at, 20))]
    np.testing.assert_array_equal(last.y[0], -last.x[0])
    assert first.weight == last.weight == (None,)


@pytest.mark.parametrize("fraction", [-0.5, 0.999, 1.0, 1.5, float("nan")])
def test_a_split_that_leaves_nothing_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="leaves none to train or to validate"):
        data.split(data.samples(np.arange(1)), fraction)


@pytest.mark.parametrize(
    "y",
    [
        [0, 2, 1, 2],
        [[0], [2], [1], [2]],
        [0.0, 2.0, 1.0, 2.0],
        np.eye(3)[[0, 2, 1, 2]],
        np.eye(3, dtype=int)[[0, 2, 1, 2]],
    ],
)
def test_samples_weigh_as_their_classes(y: Any) -> None:
    weighted = data.class_weighted(data.samples(np.zeros(4), y), {0: 0.5, 2: 3})
    assert [part.tolist() for part in weighted.weight] == [[0.5, 3.0, 1.0, 3.0]]


@pytest.mark.parametrize(
    ("shape", "received", "expected"),
    [
        ((None, 10, 1), (3, 10, 1), (3, 10, 1)),
        ((None, 10, 1), (3, 10), (3, 10, 1)),
        ((None, 10, 1), (3, 7, 1), (3, 7, 1)),
        ((None, 4), (3, 4, 1), (3, 4)),
        ((None, None, None), (3, 4, 5), (3, 4, 5)),
    ],
)
def test_a_last_axis_of_one_may_come_or_go(shape: Any, received: Any, expected: Any) -> None:
    assert data.fitted(np.zeros(received), shape, "x").shape == expected


@pytest.mark.parametrize("received", [(3,), (3, 10, 2), (3, 10, 1, 1, 1), (3, 4, 10, 2)])
def test_another_rank_or_number_of_features_is_refused(received: Any) -> None:
    with pytest.raises(ValueError, match=r"expected input of shape \(None, 10, 1\), got"):
        data.fitted(np.zeros(received), (None, 10, 1), "x")


def test_lists_and_a_list_of_one_array_are_arrays() -> None:
    assert data.source([[1, 2], [3, 4]], "x").shape == (2, 2)
    x = np.ones((4, 2))
    assert data.source([x], "x") is x
    np.testing.assert_array_equal(data.source([np.float64(3)], "x"), [3.0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", ">f4"])
@pytest.mark.parametrize("arrange", [np.asarray, *ARRANGEMENTS.values()])
def test_a_batch_is_of_the_dtype_asked_for_and_in_order_in_memory(
    rng: np.random.Generator, arrange: Any, dtype: str
) -> None:
    x = arrange(rng.integers(0, 99, (N, 2, 3)).astype(dtype))
    column, rows = Column(x, "float32"), rng.permutation(N)[:5]
    for take, expected in (
        (lambda: column.rows(slice(3, 8)), x[3:8]),
        (lambda: column.gathered(rows, 2), x[rows]),
    ):
        batch = take()
        np.testing.assert_array_equal(batch, expected)
        assert batch.dtype == np.dtype("float32")
        assert batch.flags.c_contiguous and batch.flags.aligned


class Readable:
    """As a data set of h5py: rows for slices and increasing indices, in new memory."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.latest = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> np.ndarray:
        assert isinstance(rows, slice) or (np.diff(rows) > 0).all()
        self.latest = self.values[rows].copy()
        return self.latest


def test_rows_of_a_file_are_copied_at_most_once_into_memory_that_the_next_batch_overwrites() -> None:
    values = np.arange(N * 2.0).reshape(N, 2)
    file = Readable(values.astype("float32"))
    column = Column(data.source(file, "x"), "float32")
    for start in (0, 4):
        assert np.shares_memory(column.rows(slice(start, start + 4)), file.latest)
    for other in (column, Column(data.source(Readable(values), "x"), "float32")):
        batches = [other.gathered(rows, 1) for rows in np.array([[7, 2, 9], [1, 10, 0]])]
        assert np.shares_memory(*batches)
        np.testing.assert_array_equal(batches[1], values[[1, 10, 0]])


def test_a_part_of_a_file_stays_there() -> None:
    file = Readable(np.arange(N))
    part = data.source(file, "x")[2:9][1:]
    assert isinstance(part, data.Stored) and len(part) == 6 and file.latest is file.values
    np.testing.assert_array_equal(part.read(slice(1, 3)), [4, 5])
    np.testing.assert_array_equal(part.read(np.array([0, 5])), [3, 8])
    np.testing.assert_array_equal(part.reshape(6, 1).read(slice(0, 2)), [[3], [4]])
