"""Data sets of windows, of text files, of arrays: their elements, their orders, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru.utils import set_random_seed, split_dataset, text_dataset_from_directory, timeseries_dataset_from_array
from fastgru.utils.dataset import Dataset


def windows(**options: Any) -> Any:
    return timeseries_dataset_from_array(
        np.arange(20), np.arange(20) * 10, **{"sequence_length": 4, **options}, batch_size=5
    )


# --- Dataset ------------------------------------------------------------------------------------------


def test_a_data_set_is_a_sequence_of_batches() -> None:
    dataset = windows()
    assert len(dataset) == dataset.cardinality() == 4
    x, y = dataset[-1]
    assert x.tolist() == [[15, 16, 17, 18], [16, 17, 18, 19]]
    assert y.tolist() == [150, 160]
    assert [batch[1].tolist() for batch in dataset] == [dataset[index][1].tolist() for index in range(4)]
    with pytest.raises(IndexError, match="below 4, got 4"):
        dataset[4]


def test_what_is_made_of_a_data_set() -> None:
    dataset = windows()
    doubled = dataset.map(lambda x, y: (x, 2 * y), num_parallel_calls=4).prefetch(1)
    assert doubled[0][1].tolist() == [0, 20, 40, 60, 80]
    assert [y.tolist() for _, y in dataset.skip(3)] == [[150, 160]]
    assert len(dataset.take(2)) == 2
    assert len(dataset.take(-1)) == 4
    samples = dataset.unbatch()
    assert len(samples) == 17
    assert samples[16][1] == 160
    again = samples.batch(6, drop_remainder=True)
    assert len(again) == 2
    assert again[1][0].shape == (6, 4)
    assert [len(y) for _, y in dataset.repeat(2)] == [5, 5, 5, 2] * 2
    with pytest.raises(ValueError, match="give fit more epochs"):
        dataset.repeat()


def test_a_cached_element_is_made_once() -> None:
    made: list[int] = []
    dataset = Dataset(3, lambda row: made.append(row) or row).cache()
    assert list(dataset) == list(dataset) == [0, 1, 2]
    assert made == [0, 1, 2]


def test_a_shuffled_data_set_draws_a_new_order_for_each_pass_and_equal_seeds_draw_equal_ones() -> None:
    def orders(seed: int) -> list[list[int]]:
        dataset = windows(shuffle=True, seed=seed).take(4)
        return [[int(one) for _, y in dataset for one in y] for _ in range(2)]

    first, second = orders(1)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(0, 170, 10))
    assert orders(1) == [first, second]
    assert orders(2) != [first, second]


def test_passes_that_go_on_side_by_side_have_orders_of_their_own() -> None:
    dataset = windows(shuffle=True, seed=1).map(lambda x, y: y)
    for passes in (zip(dataset, dataset, strict=True), zip(dataset.take(4), dataset, strict=True)):
        for batches in zip(*passes, strict=True):
            assert sorted(int(one) for y in batches for one in y) == list(range(0, 170, 10))


def test_an_index_is_that_of_one_pass_until_the_next_begins() -> None:
    dataset = windows(shuffle=True)
    orders = []
    for _ in range(2):
        orders.append([int(one) for index in range(4) for one in dataset[index][1]])
        assert orders[-1] == [int(one) for index in range(4) for one in dataset[index][1]]
        dataset.on_epoch_begin()
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_the_seed_of_the_process_fixes_an_order_without_one() -> None:
    def order() -> list[int]:
        set_random_seed(5)
        return [int(one) for _, y in windows(shuffle=True) for one in y]

    assert order() == order()
    fixed = windows().unbatch().shuffle(10, reshuffle_each_iteration=False)
    assert [int(y) for _, y in fixed] == [int(y) for _, y in fixed] != list(range(0, 170, 10))


def test_samples_of_dicts_are_batched_by_key() -> None:
    dataset = Dataset(3, lambda row: ({"a": np.array(row), "b": np.ones(2)}, row)).batch(2)
    x, y = dataset[0]
    assert x["a"].tolist() == [0, 1]
    assert x["b"].shape == (2, 2)
    assert y.tolist() == [0, 1]


# --- windows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [None, 3])
@pytest.mark.parametrize("end", [None, 17])
@pytest.mark.parametrize(("length", "stride", "rate"), [(3, 1, 1), (2, 3, 4), (5, 2, 1)])
def test_windows_are_those_of_their_definition(length, stride, rate, start, end, rng) -> None:
    data, targets = rng.normal(size=(20, 2)), rng.normal(size=20)
    dataset = timeseries_dataset_from_array(
        data, targets, length, stride, rate, batch_size=None, start_index=start, end_index=end
    )
    first, stop = start or 0, end or 20
    begins = range(first, stop - (length - 1) * rate, stride)
    assert len(dataset) == len(begins)
    for begin, (x, y) in zip(begins, dataset, strict=True):
        np.testing.assert_array_equal(x, data[begin : begin + length * rate : rate])
        assert y == targets[begin]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_index": -1}, "`start_index` must be 0 or greater"),
        ({"start_index": 20}, "`start_index` must be lower"),
        ({"end_index": 20}, "`end_index` must be lower"),
        ({"start_index": 4, "end_index": 4}, "`end_index` must be higher"),
        ({"sequence_length": 0}, "sequence_length must be a positive integer, got 0"),
        ({"sampling_rate": 0}, "`sampling_rate` must be higher"),
        ({"sequence_stride": 20}, "`sequence_stride` must be lower"),
        ({"format": "csv"}, "`format` should be"),
    ],
)
def test_windows_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        windows(**options)


# --- texts --------------------------------------------------------------------------------------------


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    for number in range(10):
        file = tmp_path / ("good" if number % 2 else "bad") / "inner" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"review {number}, über")
    (tmp_path / "good" / "notes.md").touch()
    return tmp_path


def test_texts_have_the_labels_of_their_folders(reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = text_dataset_from_directory(reviews, batch_size=4, shuffle=False, max_length=8)
    assert capsys.readouterr().out == "Found 10 files belonging to 2 classes.\n"
    assert dataset.class_names == ["bad", "good"]
    assert len(dataset) == 3
    texts, labels = dataset[0]
    assert texts.tolist() == ["review 0", "review 2", "review 4", "review 6"]
    assert labels.tolist() == [0, 0, 0, 0]
    assert labels.dtype == "int32"
    assert dataset.map(lambda x, y: x).class_names == ["bad", "good"]


@pytest.mark.parametrize(
    ("mode", "expected"), [("binary", [[0.0], [1.0]]), ("categorical", [[1.0, 0.0], [0.0, 1.0]]), ("int", [0, 1])]
)
def test_labels_come_in_keras_forms(reviews: Path, mode: str, expected: list[Any]) -> None:
    dataset = text_dataset_from_directory(reviews, label_mode=mode, batch_size=10, shuffle=False, verbose=False)
    assert dataset[0][1][[0, 9]].tolist() == expected


def test_the_two_parts_share_no_file(reviews: Path) -> None:
    options: dict[str, Any] = {"validation_split": 0.3, "seed": 5, "label_mode": None, "batch_size": None}
    training, validation = text_dataset_from_directory(reviews, subset="both", **options)
    assert len(training) == 7
    assert len(validation) == 3
    assert len({*training, *validation}) == 10
    assert set(text_dataset_from_directory(reviews, subset="validation", **options)) == set(validation)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_mode": "two"}, "`label_mode` argument must be one of"),
        ({"labels": 3}, "`labels` argument should be"),
        ({"labels": [1, 2]}, "got 2 labels for 10 files"),
        ({"class_names": ["good", "worse"]}, "did not match"),
        ({"labels": None, "class_names": ["good"]}, "You can only pass `class_names`"),
        ({"validation_split": 2}, "must be between 0 and 1"),
        ({"validation_split": 0.2}, "inversely"),
        ({"validation_split": 0.2, "subset": "training"}, "you must provide a `seed`"),
        ({"class_names": ["good"], "label_mode": "binary"}, "exactly 2 class_names"),
    ],
)
def test_what_names_no_texts_is_refused(reviews: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        text_dataset_from_directory(reviews, **options)


# --- split_dataset ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "sizes"), [(0.8, None, (8, 2)), (None, 3, (7, 3)), (2, 0.5, (2, 5)), (0.5, 0.5, (5, 5))]
)
def test_a_data_set_is_cut_in_two(left: Any, right: Any, sizes: tuple[int, int]) -> None:
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    first, second = split_dataset((x, y), left, right)
    assert (len(first), len(second)) == sizes
    np.testing.assert_array_equal(first[0][0], x[0])
    assert second[-1][1] == 9


def test_batches_are_cut_by_samples_and_batched_again() -> None:
    first, second = split_dataset(windows(), 0.5, shuffle=True, seed=3)
    assert [len(y) for _, y in first] == [5, 3]
    assert len({int(one) for part in (first, second) for _, y in part for one in y}) == 17


@pytest.mark.parametrize(
    ("dataset", "sizes", "error", "message"),
    [
        (np.ones(4), {}, ValueError, "must be specified"),
        (np.ones(4), {"left_size": 1.5}, ValueError, "between 0 and 1"),
        (np.ones(4), {"left_size": 3, "right_size": 3}, ValueError, "sum of `left_size` and `right_size`"),
        (np.ones(4), {"left_size": 0.01}, ValueError, "leave a part empty"),
        (np.ones(4), {"left_size": "1"}, TypeError, "Invalid `left_size`"),
        ([np.ones(4), np.ones(5)], {"left_size": 1}, ValueError, "equally many samples"),
        (7, {"left_size": 1}, TypeError, "must be a data set"),
    ],
)
def test_what_cannot_be_cut_is_refused(dataset: Any, sizes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        split_dataset(dataset, **sizes)
