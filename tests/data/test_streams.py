"""Batches come from what makes them one by one, each once, and lie in memory of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru.data import Stream, stream_of, unpacked
from fastgru.data.sources import source
from fastgru.data.streams import Generated, Indexed, Iterated, arrays
from fastgru.utils import PyDataset


class Numbers(PyDataset):
    """Batches that are their number, and a list of what was asked for."""

    def __init__(self, count: int = 5, **options: Any) -> None:
        super().__init__(**options)
        self.count, self.calls = count, []  # type: ignore[var-annotated]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        self.calls.append(index)
        return np.array([index]), threading.current_thread().name

    def on_epoch_begin(self) -> None:
        self.calls.append("begin")

    def on_epoch_end(self) -> None:
        self.calls.append("end")


class Endless(Numbers):
    num_batches = None


class Old:
    """A `Sequence` of Keras 2, which is derived from nothing of ours."""

    def __getitem__(self, index: int) -> Any:
        return (np.array([index]),)

    def __len__(self) -> int:
        return 3

    def on_epoch_end(self) -> None:
        pass


class Loader:
    """As torch's DataLoader: iterated anew for each pass; its length may be unknown."""

    def __init__(self, known: bool = True) -> None:
        self.known = known

    def __len__(self) -> int:
        if not self.known:
            raise TypeError("of unknown length")
        return 4

    def __iter__(self) -> Iterator[Any]:
        return ([np.array([number])] for number in range(4))


def seen(stream: Stream, epochs: int = 1) -> list[list[int]]:
    return [[int(batch[0][0]) for batch in stream.epoch()] for _ in range(epochs)]


def stream(x: Any, steps: int | None = None, shuffle: bool = False) -> Stream:
    source = stream_of(x, shuffle)
    assert source is not None
    return Stream(source, lambda batch: unpacked(batch, "here"), steps)


def numbers(count: int) -> Iterator[Any]:
    return ((np.array([number]),) for number in range(count))


@pytest.mark.parametrize(
    ("x", "kind", "steps"),
    [
        (numbers(3), Generated, None),
        (iter([1]), Generated, None),
        (Numbers(), Indexed, 5),
        (Endless(), Indexed, None),
        (Old(), Indexed, 3),
        (Loader(), Iterated, 4),
        (Loader(known=False), Iterated, None),
        (map(abs, [1]), Generated, None),
    ],
)
def test_a_stream_is_known_by_what_it_can_do(x: Any, kind: type, steps: int | None) -> None:
    source = stream_of(x)
    assert type(source) is kind
    assert source.steps == steps
    assert stream_of(source) is source


@pytest.mark.parametrize("x", [np.ones(3), [np.ones(3)], (np.ones(3),), {"a": np.ones(3)}, [[1, 2]], range(3), "a", 3])
def test_data_are_no_stream(x: Any) -> None:
    assert stream_of(x) is None


def test_the_old_name_leads_to_the_class() -> None:
    assert fastgru.utils.Sequence is PyDataset


def test_a_pass_has_every_batch_once() -> None:
    assert seen(stream(Numbers()), 2) == [[0, 1, 2, 3, 4]] * 2
    assert seen(stream(Loader()), 2) == [[0, 1, 2, 3]] * 2
    assert seen(stream(numbers(3))) == [[0, 1, 2]]
    first, second = seen(stream(Numbers(30), shuffle=True), 2)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(30))


@pytest.mark.parametrize("options", [{}, {"workers": 0}, {"workers": 4}, {"workers": 2, "use_multiprocessing": True}])
def test_workers_change_neither_batches_nor_order(options: dict[str, Any]) -> None:
    dataset = Numbers(12, **options)
    assert seen(stream(dataset), 2) == [list(range(12))] * 2
    if not dataset.use_multiprocessing:
        assert [call for call in dataset.calls if isinstance(call, int)] == [*range(12)] * 2


def test_a_data_set_is_told_of_its_epochs_and_makes_no_batch_of_the_next_before() -> None:
    dataset = Numbers(4, max_queue_size=10)
    batches = stream(dataset, steps=2)
    assert seen(batches, 2) == [[0, 1], [2, 3]]
    assert dataset.calls == ["begin", 0, 1, "end", "begin", 2, 3, "end"]


def test_a_number_of_steps_goes_on_where_the_last_epoch_stopped() -> None:
    batches = stream(Numbers(5), steps=2)
    with pytest.warns(UserWarning, match="ran out after 1 of 2 steps"):
        assert seen(batches, 4) == [[0, 1], [2, 3], [4], [0, 1]]
    assert seen(stream(Endless(), steps=3), 2) == [[0, 1, 2], [3, 4, 5]]
    batches = stream(Loader(known=False), steps=2)
    assert seen(batches, 3) == [[0, 1], [2, 3], [0, 1]]  # exactly used up: a new pass
    seen(batches)
    batches.restart()
    assert seen(batches) == [[0, 1]]


def test_a_generator_is_drawn_no_further_than_its_steps() -> None:
    made = []
    batches = stream((made.append(number) or (np.array([number]),) for number in range(99)), steps=3)  # type: ignore[func-returns-value]
    assert made == [0]
    assert seen(batches, 2) == [[0, 1, 2], [3, 4, 5]]
    assert made == [0, 1, 2, 3, 4, 5]


def test_a_generator_that_ran_out_gives_its_first_two_batches_again_with_a_warning() -> None:
    batches = stream(numbers(4))
    assert seen(batches) == [[0, 1, 2, 3]]
    with pytest.warns(UserWarning, match="ran out: as in Keras, its first 2 batches come again"):
        assert seen(batches) == [[0, 1]]


def test_how_many_batches_there_are_is_known_after_a_pass() -> None:
    batches = stream(Loader(known=False))
    assert batches.steps is None
    seen(batches)
    assert batches.steps == 4
    assert stream(Numbers(5)).steps == 5
    assert stream(Numbers(5), steps=2).steps == 2


def test_a_stream_without_batches_is_told() -> None:
    with pytest.raises(ValueError, match="x: expected batches, but the generator gave none"):
        stream(numbers(0))
    with pytest.raises(ValueError, match="x: expected batches, but the PyDataset gave none"):
        stream(Numbers(0))


def test_a_batch_that_does_not_fit_is_told_with_its_number() -> None:
    def bound(batch: Any) -> Any:
        if batch[0][0] == 2:
            raise ValueError("too large.")
        return batch

    batches = Stream(Generated(numbers(4)), bound)
    with pytest.raises(ValueError, match=r"Batch 2 of the generator: too large\."):
        list(batches.epoch())


def test_a_generator_may_write_its_batches_into_one_memory() -> None:
    def reused() -> Iterator[Any]:
        memory = np.empty(1)
        for number in range(20):
            memory[0] = number
            yield memory, {"a": memory}

    assert seen(stream(reused())) == [list(range(20))]


class Tensor:
    """As torch's: with a graph and a device."""

    def __init__(self, values: Any) -> None:
        self.values, self.done = values, []  # type: ignore[var-annotated]

    def detach(self) -> Tensor:
        self.done.append("detach")
        return self

    def cpu(self) -> Tensor:
        self.done.append("cpu")
        return self

    def numpy(self) -> np.ndarray:
        assert self.done == ["detach", "cpu"]
        return np.asarray(self.values)


class Capsule:
    """What speaks DLPack alone."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


class Frame:
    """As a frame of pandas or polars; columns of several dtypes make an array of objects."""

    def __init__(self, values: Any, dtype: Any = None) -> None:
        self.values = np.asarray(values, dtype)

    def to_numpy(self) -> np.ndarray:
        return self.values


@pytest.mark.parametrize("form", [Tensor, Capsule, Frame, np.asarray, lambda values: Frame(values, object)])
def test_tensors_and_frames_become_arrays(form: Any) -> None:
    batch = arrays(({"a": form([1.5, 2.5])}, [form([3.5]), form([4.5])], None))
    np.testing.assert_array_equal(batch[0]["a"], [1.5, 2.5])
    assert [part.tolist() for part in batch[1]] == [[3.5], [4.5]]
    assert batch[0]["a"].dtype == batch[1][0].dtype == np.float64
    assert batch[2] is None


@pytest.mark.parametrize("form", [Tensor, Capsule, Frame, lambda values: Frame(values, object)])
def test_tensors_and_frames_are_data_of_a_call(form: Any) -> None:
    rows = source(form([[1.5, 2.0], [2.5, 3.0]]), "x")
    assert isinstance(rows, np.ndarray) and rows.dtype == np.float64
    np.testing.assert_array_equal(rows, [[1.5, 2.0], [2.5, 3.0]])


def test_a_frame_with_words_is_told_as_what_it_is() -> None:
    with pytest.raises(ValueError, match="x: expected real numbers, got Frame of dtype object"):
        source(Frame([[1.5, "a"]], object), "x")


def test_lists_of_numbers_stay_lists() -> None:
    assert arrays(([[1, 2], [3, 4]], [0, 1])) == ([[1, 2], [3, 4]], [0, 1])


@pytest.mark.parametrize(
    ("batch", "parts"),
    [((1,), (1, None, None)), ([1, 2], (1, 2, None)), ((1, 2, 3), (1, 2, 3)), ({"a": 1}, ({"a": 1}, None, None))],
)
def test_a_batch_has_up_to_three_parts(batch: Any, parts: Any) -> None:
    assert unpacked(batch, "fit") == parts


def test_a_batch_of_four_parts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fit: expected \(x,\), \(x, y\) or \(x, y, sample_weight\), got 4 entries"):
        unpacked((1, 2, 3, 4), "fit")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "Numbers: workers must be at least 0, got -1"),
        ({"workers": 1.5}, "workers must be an integer, got 1.5"),
        ({"use_multiprocessing": "yes"}, "use_multiprocessing must be True or False"),
        ({"max_queue_size": 0}, "max_queue_size must be a positive integer, got 0"),
    ],
)
def test_options_of_a_data_set_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Numbers(**options)


def test_a_data_set_without_batches_or_length_says_so() -> None:
    with pytest.raises(NotImplementedError, match="PyDataset does not define __getitem__"):
        PyDataset()[0]
    with pytest.raises(NotImplementedError, match="PyDataset defines neither __len__ nor num_batches"):
        _ = PyDataset().num_batches
    assert [int(batch[0][0]) for batch, _ in zip(Endless(), range(3), strict=False)] == [0, 1, 2]
    assert len(list(Numbers(4))) == 4
