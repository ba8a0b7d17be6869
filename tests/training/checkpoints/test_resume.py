"""`fit(resume=folder)` and `BackupAndRestore`: what goes on, what is refused, what is not lost."""

from __future__ import annotations

import contextlib
import errno
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_training import F, N, T, half, inputs, small

from fastgru import atomic, callbacks, metrics, optimizers, random, utils
from fastgru.callbacks import BackupAndRestore
from fastgru.layers import GRU, LSTM, RNN, BatchNormalization, Bidirectional, Dense, Dropout, GRUCell, Input
from fastgru.models import Functional, Sequential
from fastgru.training.checkpoints import Folder
from fastgru.utils import PyDataset


class Killed(Exception):
    """Stands for a SIGKILL where the process goes on."""


class Killer(callbacks.Callback):
    """Kills at a batch, counted over all epochs of this process; notes the epoch and batch of those that are done."""

    def __init__(self, batch: int | None = None) -> None:
        self.batch, self.epoch = batch, 0
        self.done: list[tuple[int, int]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if len(self.done) == self.batch:
            raise Killed

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.done.append((self.epoch, batch))


def random_layers() -> Sequential:
    return compiled(
        Sequential([Input((T, F)), GRU(4, dropout=0.2), Dropout(0.3, seed=4), BatchNormalization(), Dense(1)])
    )


def own_cells() -> Sequential:
    return compiled(Sequential([Input((T, F)), RNN([GRUCell(3, dropout=0.5, seed=1), GRUCell(2, seed=2)]), Dense(1)]))


def stateful() -> Sequential:
    layers = [Bidirectional(LSTM(3, stateful=True, recurrent_dropout=0.3, seed=7)), Dense(1)]
    return compiled(Sequential([Input(batch_shape=(11, T, F)), *layers]))


def graph() -> Functional:
    x = Input((T, F))
    hidden = GRU(3)(x)
    return compiled(Functional(x, [Dense(1, name="a")(hidden), Dense(1, name="b")(Dropout(0.5)(hidden))]))


def watched() -> Sequential:
    model = Sequential([Input((T, F)), GRU(4), Dense(2, activation="sigmoid")])
    by_class = metrics.F1Score(average=None, name="f1")  # a number for each class
    model.compile(
        "adam", "binary_crossentropy", metrics=[metrics.AUC(name="auc"), by_class, metrics.Precision(name="precision")]
    )
    return model


def compiled(model: Any) -> Any:
    model.compile("adam", "mse", metrics=["mae", "mse"] if len(model.outputs) == 1 else [["mae"], ["mse"]])
    return model


def train(make: Any, rng: np.random.Generator, **options: Any) -> Any:
    x, y = inputs(rng), half(rng)
    utils.set_random_seed(9)
    model = make()
    targets = [y, 1 - y] if len(model.outputs) == 2 else np.repeat(y, model.output_shape[-1], axis=1)
    model.fit(x, targets, **{"batch_size": 11, "epochs": 4, "verbose": 0, **options})
    return model


def same_weights(one: Any, other: Any) -> bool:
    return all(map(np.array_equal, one.get_weights(), other.get_weights()))


def restarted(folder: Path, make: Any, kills: list[int], **options: Any) -> tuple[Any, list[tuple[int, int]]]:
    """A model whose training is killed after so many batches of each life, and the batches of all lives."""
    done = []
    extra = options.pop("callbacks", list)
    for batch in [*kills, None]:
        killer = Killer(batch)
        backup = BackupAndRestore(folder, save_freq=1, delete_checkpoint=False)
        random.seed_stream(0)
        with contextlib.suppress(Killed):
            model = train(make, np.random.default_rng(5), callbacks=[*extra(), backup, killer], **options)
        done += killer.done
    return model, done


OPTIONS: list[Any] = [
    (random_layers, {}),
    (random_layers, {"validation_split": 0.25, "shuffle": "batch"}),
    (random_layers, {"shuffle": False, "batch_size": 7, "sample_weight": np.linspace(0, 2, N)}),
    (random_layers, {"steps_per_epoch": 2, "batch_size": 8}),  # a pass of 6 batches, then an epoch that goes on
    (random_layers, {"steps_per_epoch": 3, "batch_size": 6, "epochs": 2}),
    (own_cells, {"initial_epoch": 1}),
    (stateful, {}),
    (graph, {}),
    (watched, {"validation_split": 0.25}),
]


@pytest.mark.parametrize(("make", "options"), OPTIONS)
def test_a_training_goes_on_as_if_it_had_not_been_killed(tmp_path: Path, make: Any, options: dict[str, Any]) -> None:
    whole = Killer()
    expected = train(make, np.random.default_rng(5), callbacks=[whole], **options)
    actual, done = restarted(tmp_path, make, [1, 0, 3, 5], **options)
    assert same_weights(actual, expected)
    assert actual.history.epoch == expected.history.epoch
    assert actual.history.history.keys() == expected.history.history.keys()
    for name, values in expected.history.history.items():
        np.testing.assert_array_equal(actual.history.history[name], values)
    assert done == whole.done  # no batch twice


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        lambda: optimizers.RMSprop(0.01, centered=True),
        lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=3),
        lambda: optimizers.AdamW(optimizers.schedules.CosineDecay(0.02, 10), gradient_accumulation_steps=3),
        lambda: optimizers.LossScaleOptimizer(optimizers.Nadam(0.01)),
        lambda: optimizers.Adafactor(0.01),
        lambda: optimizers.ScheduleFreeAdamW(0.01),
    ],
)
def test_the_optimizer_goes_on(tmp_path: Path, optimizer: Any) -> None:
    def make() -> Sequential:
        return small(optimizer=optimizer())

    expected = train(make, np.random.default_rng(5))
    actual, _ = restarted(tmp_path, make, [6, 3])
    assert same_weights(actual, expected)
    assert actual.optimizer.iterations == expected.optimizer.iterations
    for one, other in zip(actual.optimizer.variables, expected.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_callbacks_go_on(tmp_path: Path) -> None:
    def watchers(folder: Path) -> list[callbacks.Callback]:
        folder.mkdir(exist_ok=True)
        return [
            callbacks.EarlyStopping("loss", min_delta=0.05, patience=3, restore_best_weights=True),
            callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05, cooldown=1),
            callbacks.ModelCheckpoint(folder / "{epoch}.keras", "loss", save_best_only=True),
            callbacks.CSVLogger(folder / "table.csv"),
            callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        ]

    options = {"epochs": 12, "batch_size": 22}
    expected = train(small, np.random.default_rng(5), callbacks=watchers(tmp_path / "whole"), **options)
    made = lambda: watchers(tmp_path / "parts")  # noqa: E731
    actual, _ = restarted(tmp_path / "run", small, [1, 4, 3, 4], callbacks=made, **options)
    assert same_weights(actual, expected)
    assert actual.history.history == expected.history.history
    assert len(actual.history.epoch) < 12, "it stopped early"
    names = [sorted(file.name for file in (tmp_path / name).iterdir()) for name in ("whole", "parts")]
    assert names[0] == names[1]
    assert (tmp_path / "whole" / "table.csv").read_text() == (tmp_path / "parts" / "table.csv").read_text()


class Numbered(PyDataset):
    """Batches by number, whose rows the data set shuffles itself after every epoch."""

    def __init__(self, x: np.ndarray, y: np.ndarray, **options: Any) -> None:
        super().__init__(**options)
        self.x, self.y, self.order = x, y, np.arange(len(x))
        self.own = np.random.default_rng(8)

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        rows = self.order[index * 11 : (index + 1) * 11]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self) -> None:
        self.own.shuffle(self.order)


class Iterated:
    """Batches that are iterated anew for each pass."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, N, 10):
            yield self.x[start : start + 10], self.y[start : start + 10]


def generated(x: np.ndarray, y: np.ndarray) -> Iterator[Any]:
    draws = np.random.default_rng(3)
    while True:
        rows = draws.integers(0, N, 7)
        yield x[rows], y[rows]


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (Numbered, {}),
        (Numbered, {"steps_per_epoch": 3, "epochs": 5}),
        (lambda x, y: Numbered(x, y, workers=2), {}),
        (Iterated, {}),
        (Iterated, {"steps_per_epoch": 2, "shuffle": False}),
        (generated, {"steps_per_epoch": 4}),
    ],
)
@pytest.mark.filterwarnings("ignore:The data ran out")
def test_streams_go_on(tmp_path: Path, make: Any, options: dict[str, Any]) -> None:
    def run(kill: int | None, *watchers: callbacks.Callback) -> tuple[Any, list[tuple[int, int]]]:
        rng, killer = np.random.default_rng(5), Killer(kill)
        stream, held_out = make(inputs(rng), half(rng)), Iterated(inputs(rng), half(rng))
        utils.set_random_seed(9)
        model = random_layers()
        arguments = {"epochs": 4, "verbose": 0, "validation_data": held_out, **options}
        with contextlib.suppress(Killed):
            model.fit(stream, callbacks=[*watchers, killer], **arguments)
        return model, killer.done

    expected, whole = run(None)
    done = []
    for kill in (2, 4, 0, 5, None):
        actual, part = run(kill, BackupAndRestore(tmp_path, save_freq=1, delete_checkpoint=False))
        done += part
    assert done == whole
    assert same_weights(actual, expected)
    assert actual.history.history == expected.history.history


def test_a_callback_of_ones_own_names_its_state(tmp_path: Path) -> None:
    class Sums(callbacks.Callback):
        state_names = ("sums", "draws")

        def __init__(self) -> None:
            self.sums = {"batches": np.zeros(4), "by_epoch": [(0, 1.5)]}
            self.draws = np.random.default_rng(3)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.sums["batches"][batch] += self.draws.random()

    seen: list[Sums] = []

    def one() -> list[callbacks.Callback]:
        seen.append(Sums())
        return [seen[-1]]

    train(small, np.random.default_rng(5), callbacks=one())
    restarted(tmp_path, small, [2, 3], callbacks=one)
    np.testing.assert_array_equal(seen[0].sums["batches"], seen[-1].sums["batches"])
    assert seen[-1].sums["by_epoch"] == [(0, 1.5)]


def test_a_finished_training_returns_at_once_and_trains_on_to_more_epochs(tmp_path: Path) -> None:
    first = train(small, np.random.default_rng(5), resume=tmp_path / "a" / "run", epochs=3)
    watcher = Killer()
    again = train(small, np.random.default_rng(5), resume=tmp_path / "a" / "run", epochs=3, callbacks=[watcher])
    assert same_weights(again, first) and again.history.history == first.history.history and not watcher.done
    more = train(small, np.random.default_rng(5), resume=tmp_path / "a" / "run", epochs=5, callbacks=[watcher])
    assert [epoch for epoch, batch in watcher.done if not batch] == [3, 4]
    assert more.history.epoch == [0, 1, 2, 3, 4] and len(more.history.history["loss"]) == 5
    assert same_weights(more, train(small, np.random.default_rng(5), epochs=5))


def test_the_callback_removes_its_checkpoints_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    for name in ("run", "other"):
        train(small, np.random.default_rng(5), callbacks=[BackupAndRestore(tmp_path / name)])
    assert [path.name for path in tmp_path.rglob("*")] == ["other", "notes.txt"]


@pytest.mark.parametrize(
    ("make", "options", "named"),
    [
        (
            small,
            {"batch_size": 12},
            r"batches of the data \('4 an epoch, of 11 samples' there, .* here\)",
        ),
        (small, {"shuffle": "batch"}, "shuffle"),
        (small, {"validation_split": 0.5}, "data"),
        (small, {"sample_weight": np.ones(N)}, "data"),
        (small, {"steps_per_epoch": 2}, "batches of the data"),
        (lambda: small(loss="mse"), {}, "arguments of compile"),
        (lambda: adam(beta_1=0.8), {}, "arguments of compile"),
        (lambda: adam(learning_rate=0.5), {}, r"learning_rate \(0.001.* there, 0.5 here\)"),
        (lambda: small(metrics=["mae"]), {}, "names of losses and metrics"),
        (random_layers, {}, "shapes of weights"),
        (lambda: with_units(activation="relu"), {}, "layers"),
    ],
)
def test_another_training_is_refused(tmp_path: Path, make: Any, options: dict[str, Any], named: str) -> None:
    train(small, np.random.default_rng(5), resume=tmp_path, epochs=1)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=f"with (an)?other {named}.*; go on with the same"):
        train(make, np.random.default_rng(5), resume=tmp_path, epochs=1, **options)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def adam(**options: Any) -> Sequential:
    return small(optimizer={"class_name": "adam", "config": options})


def with_units(**options: Any) -> Sequential:
    model = Sequential([Input((T, F)), GRU(4, **options), Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def test_other_numbers_of_the_same_shape_are_other_data(tmp_path: Path) -> None:
    train(small, np.random.default_rng(5), resume=tmp_path, epochs=1)
    with pytest.raises(ValueError, match="with other data"):
        train(small, np.random.default_rng(6), resume=tmp_path, epochs=1)


def test_the_same_model_with_other_automatic_names_is_the_same(tmp_path: Path) -> None:
    first = train(small, np.random.default_rng(5), resume=tmp_path)
    assert [layer.name for layer in small().layers] != [layer.name for layer in first.layers]
    assert same_weights(train(small, np.random.default_rng(5), resume=tmp_path), first)


def test_automatic_names_of_several_outputs_are_those_of_this_process(tmp_path: Path) -> None:
    def model() -> Functional:
        x = Input((T, F))
        hidden = GRU(3)(x)
        return compiled(Functional(x, [Dense(1)(hidden), Dense(1)(hidden)]))

    def fitted(epochs: int, **options: Any) -> tuple[Functional, Any]:
        utils.set_random_seed(3)
        trained, rng = model(), np.random.default_rng(5)
        x, y = rng.normal(size=(N, T, F)), [rng.normal(size=(N, 1)), rng.normal(size=(N, 1))]
        history = trained.fit(x, y, epochs=epochs, validation_split=0.2, verbose=0, **options).history
        return trained, history

    for _ in range(7):  # over the step from one digit to two, which changes the order of the names
        Dense(1)
    whole, expected = fitted(4)
    fitted(2, resume=tmp_path)
    went_on, history = fitted(4, resume=tmp_path)
    assert same_weights(went_on, whole)
    assert [name.split("_", 2)[0] for name in history] == [name.split("_", 2)[0] for name in expected]
    assert sorted(history) == sorted(went_on.history.history)
    assert {len(values) for values in history.values()} == {4}
    for output in (0, 1):
        names = [f"{one.output_names[output]}_loss" for one in (went_on, whole)]
        assert history[names[0]] == expected[names[1]]
        assert history[f"val_{names[0]}"] == expected[f"val_{names[1]}"]


def damage(path: Path, how: str, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut":
        data = data[: rng.integers(len(data))]
    elif how == "changed":
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    else:
        data = bytearray(b"0")
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "changed", "replaced"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path: Path, how: str, rng: np.random.Generator) -> None:
    backup = BackupAndRestore(tmp_path / "run", save_freq=1, double_checkpoint=True)
    with pytest.raises(Killed):
        train(small, np.random.default_rng(5), callbacks=[backup, Killer(7)])
    latest, previous = (tmp_path / "run" / name for name in ("latest.npz", "previous.npz"))
    sound, before = latest.read_bytes(), Folder(tmp_path / "run").read()
    for _ in range(30):
        latest.write_bytes(sound)
        damage(latest, how, rng)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            tree, arrays = Folder(tmp_path / "run").read()
        if warned:
            assert "latest.npz is damaged" in str(warned[0].message)
            assert dict(tree["position"]["dict"])["batch"] == 2
        else:  # a byte that says nothing, such as a time in the archive
            assert tree == before[0] and all(map(np.array_equal, arrays, before[1]))
    latest.write_bytes(b"0")
    expected = train(small, np.random.default_rng(5))
    with pytest.warns(UserWarning, match="is damaged .*; going on from the checkpoint before it"):
        actual = train(small, np.random.default_rng(5), callbacks=[backup])
    assert same_weights(actual, expected)
    (tmp_path / "run").mkdir()
    latest.write_bytes(b"0")
    previous.write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"latest.npz is damaged .* and .*previous.npz is damaged .*; give another folder"
    ):
        train(small, np.random.default_rng(5), callbacks=[backup])


def test_a_folder_that_cannot_be_written_to_is_refused_before_training(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "file").touch()
    watcher = Killer()
    with pytest.raises(OSError, match=r"The folder for checkpoints cannot be made .*; give another: .*file"):
        train(small, np.random.default_rng(5), resume=tmp_path / "file", callbacks=[watcher])
    monkeypatch.setattr(atomic, "write", full)
    with pytest.raises(OSError, match="No space left"):
        train(small, np.random.default_rng(5), resume=tmp_path / "full", callbacks=[watcher])
    assert not watcher.done


def full(path: Path, data: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_disk_that_is_full_later_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fill(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            monkeypatch.setattr(atomic, "write", full)

    backup = BackupAndRestore(tmp_path, save_freq=1, double_checkpoint=True, delete_checkpoint=False)
    with pytest.warns(UserWarning, match="No space left on device.*the training goes on") as warned:
        actual = train(small, np.random.default_rng(5), callbacks=[backup, Fill()])
    assert len(warned) == 1
    assert same_weights(actual, train(small, np.random.default_rng(5)))
    monkeypatch.undo()
    assert same_weights(train(small, np.random.default_rng(5), callbacks=[backup]), actual)


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_trainings_at_a_time_do_not_share_a_folder(tmp_path: Path) -> None:
    class Second(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            with pytest.raises(ValueError, match=r"another training saves in .* now; wait for its end"):
                train(small, np.random.default_rng(5), resume=tmp_path)

    train(small, np.random.default_rng(5), resume=tmp_path, callbacks=[Second()])
    train(small, np.random.default_rng(5), resume=tmp_path, epochs=5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"backup_dir": ""},
        {"backup_dir": None},
        {"backup_dir": "a", "save_freq": "batch"},
        {"backup_dir": "a", "save_freq": 0.15},
        {"backup_dir": "a", "save_freq": 0},
        {"backup_dir": "a", "save_freq": False},
        {"backup_dir": "a", "save_seconds": 0},
    ],
)
def test_arguments_out_of_their_range_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="BackupAndRestore"):
        BackupAndRestore(**arguments)


def test_one_folder_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one folder for checkpoints"):
        train(small, np.random.default_rng(5), resume=tmp_path, callbacks=[BackupAndRestore(tmp_path)])


@pytest.mark.parametrize("make", [Iterated, lambda x, y: Numbered(x, y)])
def test_another_stream_is_refused(tmp_path: Path, make: Any) -> None:
    model, options = small(), {"verbose": 0, "resume": tmp_path, "shuffle": False}
    x, y = inputs(np.random.default_rng(5)), half(np.random.default_rng(5))
    model.fit(make(x, y), **options)
    assert model.fit(make(x, y), **options).epoch == [0]
    with pytest.raises(ValueError, match="with other data"):
        model.fit(make(x + 1, y), **options)
