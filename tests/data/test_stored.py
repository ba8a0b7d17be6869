"""Data in files are read batch by batch: each row once an epoch, never the whole."""

from __future__ import annotations

import functools
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import fastgru
from fastgru.callbacks import Callback
from fastgru.layers import GRU, Dense, Embedding, Input
from fastgru.losses import MeanSquaredError
from fastgru.models import Model, Sequential

N, T, F, CLASSES = 44, 5, 3, 3
EPOCHS, BATCH = 3, 8  # no batch size used here divides N


class CountingMap(np.memmap):
    """A memory map that counts how often each of its rows is read."""

    def __getitem__(self, rows: Any) -> Any:
        if hasattr(self, "reads"):
            self.reads[rows] += 1
        return super().__getitem__(rows)


class CountingDataset:
    """A data set of h5py that counts how often each of its rows is read."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dataset, self.shape, self.dtype = dataset, dataset.shape, dataset.dtype
        self.reads = np.zeros(len(dataset), int)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, rows: Any) -> np.ndarray:
        self.reads[rows] += 1
        return self.dataset[rows]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def memory_map(values: np.ndarray, path: Path) -> Any:
    values.tofile(path)
    mapped = CountingMap(path, values.dtype, "r", shape=values.shape)
    mapped.reads = np.zeros(len(values), int)
    return mapped


def dataset(values: np.ndarray, path: Path) -> Any:
    with h5py.File(path, "w") as file:
        file["values"] = values
    return CountingDataset(h5py.File(path)["values"])


Store = Callable[[np.ndarray], Any]


@pytest.fixture(params=[memory_map, dataset])
def store(request: Any, tmp_path: Path) -> Store:
    """Writes an array to a file and opens that."""
    paths = (tmp_path / f"{number}.data" for number in range(100))
    return lambda values: request.param(values, next(paths))


def bytes_and_labels(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(0, 255, (N, T, F)).astype("uint8"), rng.integers(0, CLASSES, N)


def classifier() -> Sequential:
    fastgru.utils.set_random_seed(1)
    model = Sequential([Input((T, F)), GRU(4), Dense(CLASSES, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    return model


OPTIONS: dict[str, dict[str, Any]] = {
    "shuffled": {},
    "in order": {"shuffle": False},
    "shuffled in batches": {"shuffle": "batch"},
    "validation_split": {"validation_split": 0.3},
    "class_weight": {"class_weight": {0: 0.5, 2: 3.0}},
    "class_weight and validation_split": {"class_weight": {1: 2.0}, "validation_split": 0.3, "shuffle": False},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_fit_reads_each_row_once_an_epoch_and_trains_as_from_memory(
    rng: np.random.Generator, store: Store, options: dict[str, Any]
) -> None:
    x, y = bytes_and_labels(rng)
    stored_x, stored_y = store(x), store(y)
    histories, weights = [], []
    for data in ((x, y), (stored_x, stored_y)):
        model = classifier()
        histories.append(model.fit(*data, BATCH, EPOCHS, verbose=0, **options).history)
        weights.append(model.get_weights())
    assert histories[0] == histories[1]
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
    assert stored_x.reads.tolist() == stored_y.reads.tolist() == [EPOCHS] * N


def test_validation_data_and_sample_weights_are_read_once_an_epoch(rng: np.random.Generator, store: Store) -> None:
    x, y = bytes_and_labels(rng)
    parts = [store(part) for part in (x, y, rng.random(N))]
    held_out = [store(part) for part in (x, y, rng.random(N))]
    classifier().fit(*parts[:2], BATCH, EPOCHS, sample_weight=parts[2], validation_data=held_out, verbose=0)
    assert [part.reads.tolist() for part in parts + held_out] == [[EPOCHS] * N] * 6


RUNS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "predict": lambda model, x, y: model.predict(x, BATCH, verbose=0),
    "predict with a watcher": lambda model, x, y: model.predict(x, BATCH, verbose=0, callbacks=[Watcher()]),
    "predict_on_batch": lambda model, x, y: model.predict_on_batch(x),
    "call": lambda model, x, y: model(x),
    "evaluate": lambda model, x, y: model.evaluate(x, y, BATCH, verbose=0),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y, class_weight={0: 2.0}),
}


class Watcher(Callback):
    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_every_other_way_reads_each_row_once(rng: np.random.Generator, store: Store, run: Any) -> None:
    x, y = bytes_and_labels(rng)
    stored_x, stored_y = store(x), store(y)
    np.testing.assert_array_equal(run(classifier(), stored_x, stored_y), run(classifier(), x, y))
    assert stored_x.reads.tolist() == [1] * N
    assert set(stored_y.reads.tolist()) <= {0, 1}


def test_some_of_the_steps_read_some_of_the_rows(rng: np.random.Generator, store: Store) -> None:
    x = store(bytes_and_labels(rng)[0])
    classifier().predict(x, BATCH, steps=2, verbose=0)
    assert x.reads.tolist() == [1] * (2 * BATCH) + [0] * (N - 2 * BATCH)


class CountingError(MeanSquaredError):
    """Counts how many targets it checks, but for stand-ins without memory, which have a shape alone."""

    checked = 0

    def check(self, y_true: Any, y_pred_shape: Any) -> None:
        self.checked += len(y_true) if np.asarray(y_true).strides[0] else 0
        super().check(y_true, y_pred_shape)


def test_targets_in_a_file_are_checked_once_an_epoch_and_those_in_memory_once(
    rng: np.random.Generator, store: Store
) -> None:
    x, y = rng.random((N, F)), rng.random((N, 2))
    for targets, times in ((y, 1), (store(y), EPOCHS)):
        loss = CountingError()
        model = Sequential([Input((F,)), Dense(2)])
        model.compile("sgd", loss)
        model.fit(x, targets, BATCH, EPOCHS, verbose=0)
        assert loss.checked == times * N


def peak(run: Callable[[], Any]) -> int:
    """The most memory that a call takes at a time, in bytes."""
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LONG_RUNS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "fit": lambda model, x, y: model.fit(x, y, verbose=0, validation_split=0.3),
    "fit with class_weight": lambda model, x, y: model.fit(x, y, verbose=0, class_weight={1: 2.0}),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "predict": lambda model, x, y: model.predict(x, verbose=0),
}


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("run", LONG_RUNS.values(), ids=LONG_RUNS)
def test_memory_does_not_grow_with_the_data_set(store: Store, run: Any, dtype: str) -> None:
    width, counts = 500, (1000, 3000)
    model = Sequential([Input((width,)), Dense(CLASSES, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    peaks = []
    for count in counts:
        x, y = store(np.ones((count, width), dtype)), store(np.ones(count, "int64"))
        peaks.append(peak(functools.partial(run, model, x, y)))
    # but by what is a few numbers a sample: the order of a shuffled epoch, and what predict returns
    more = counts[1] - counts[0]
    assert peaks[1] - peaks[0] < 16 * more < width * more / 8


@pytest.mark.parametrize("arrange", [np.asfortranarray, lambda a: a.astype(">f8"), lambda a: a.astype("float64")])
def test_arrays_in_memory_are_never_copied_whole_either(arrange: Any) -> None:
    x = arrange(np.full((5000, 200), 0.01, "float32"))
    model = Sequential([Input((200,)), Dense(1)])
    model.compile("sgd", "mse")
    y = np.ones(5000, "float32")
    for run in (
        lambda: model.fit(x, y, verbose=0),
        lambda: model.evaluate(x, y, verbose=0),
        lambda: model.predict(x, verbose=0),
    ):
        assert peak(run) < x.nbytes / 4


def test_tokens_in_a_file_train_and_predict_as_from_memory(rng: np.random.Generator, store: Store) -> None:
    tokens, y = rng.integers(0, 9, (N, T)).astype("uint16"), rng.random((N, 1))
    outcomes = []
    for form in (np.asarray, store, lambda a: store(a.astype("float64"))):
        fastgru.utils.set_random_seed(2)
        model = Sequential([Embedding(9, 4, mask_zero=True), GRU(3), Dense(1)])
        model.compile("adam", "mse")
        history = model.fit(form(tokens), form(y) if form is np.asarray else store(y), BATCH, verbose=0).history
        outcomes.append((history, model.predict(form(tokens), verbose=0).tolist()))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_inputs_and_outputs_by_name_may_lie_in_files(rng: np.random.Generator, store: Store) -> None:
    a, b = Input((F,), name="a"), Input((2,), name="b")
    both = fastgru.layers.Concatenate()([a, b])
    outputs = {"c": Dense(1, name="c")(both), "d": Dense(2, name="d")(both)}
    x = {"a": rng.random((N, F)), "b": rng.random((N, 2)).astype("float32")}
    y = {"c": rng.random((N, 1)), "d": rng.random((N, 2))}
    model = Model([a, b], outputs)
    model.compile("sgd", "mse")
    weights, losses = model.get_weights(), []
    for form in (np.asarray, store):
        model.set_weights(weights)
        fastgru.random.seed_stream(0)
        parts = [{name: form(part) for name, part in group.items()} for group in (x, y)]
        losses.append(model.fit(*parts, BATCH, 2, sample_weight=form(np.ones(N)), verbose=0).history)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("way", ["fit", "evaluate"])
def test_what_is_wrong_with_numbers_in_a_file_is_said_as_of_numbers_in_memory(
    rng: np.random.Generator, store: Store, way: str
) -> None:
    x, y = rng.random((N, F)).astype("float32"), rng.random((N, 1)).astype("float32")
    model = Sequential([Input((F,)), Dense(1)])
    model.compile("sgd", "mse")
    y[N - 1] = np.nan
    run = getattr(model, way)
    for form in (np.asarray, store):
        with pytest.raises(ValueError, match=r"^y: expected numbers, got 1 NaN; drop or mend those samples"):
            run(form(x), form(y), verbose=0)
        with pytest.raises(ValueError, match=r"^sample_weight: expected numbers, got 1 NaN"):
            run(form(x), form(np.ones((N, 1))), sample_weight=form(y[:, 0]), verbose=0)
    labels = Sequential([Input((F,)), Dense(3, activation="softmax")])
    labels.compile("sgd", "sparse_categorical_crossentropy")
    for form in (np.asarray, store):
        with pytest.raises(ValueError, match="expected labels from 0 to 2, got 3"):
            getattr(labels, way)(form(x), form(np.arange(N) % 4), verbose=0)


@pytest.mark.parametrize(
    ("x_shape", "y_shape", "message"),
    [
        ((N, F + 1), (N, 1), rf"expected input of shape \(None, {F}\), got \({N}, {F + 1}\)"),
        ((N, F), (N, 2), "expected labels of the shape of the predictions"),
        ((N, F), (N - 1, 1), f"x and y must have equally many samples, got {N} and {N - 1}"),
        ((0, F), (0, 1), rf"x: expected an array with at least one sample, got shape \(0, {F}\)"),
    ],
)
def test_a_file_of_another_shape_is_refused_before_a_row_is_read(
    tmp_path: Path, x_shape: Any, y_shape: Any, message: str
) -> None:
    x, y = (dataset(np.ones(shape), tmp_path / name) for name, shape in (("x", x_shape), ("y", y_shape)))
    model = Sequential([Input((F,)), Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, verbose=0)
    assert not x.reads.any() and not y.reads.any()


def test_words_in_a_file_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "words.h5", "w") as file:
        file["words"] = ["a", "b"]
        with pytest.raises(ValueError, match="x: expected real numbers, got Dataset of dtype object"):
            classifier().predict(file["words"])


def test_a_last_axis_of_one_may_come_or_go_in_a_file(store: Store, rng: np.random.Generator) -> None:
    x = rng.random((N, T))
    model = Sequential([Input((T, 1)), GRU(2)])
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict(store(x), verbose=0), expected)
    np.testing.assert_array_equal(model.predict(store(x[..., None]), verbose=0), expected)


class Labelled:
    """A column as pandas has it: in memory, and with labels, not rows, in its brackets."""

    __array_priority__ = 1000

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, label: Any) -> Any:
        raise KeyError(label)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.values, dtype)


def test_what_has_labels_in_its_brackets_is_an_array(rng: np.random.Generator) -> None:
    x, y = bytes_and_labels(rng)
    histories = [
        classifier().fit(form(x), form(y), BATCH, verbose=0, validation_split=0.2).history
        for form in (np.asarray, Labelled)
    ]
    assert histories[0] == histories[1]
