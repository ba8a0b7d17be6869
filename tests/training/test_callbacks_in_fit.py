"""What callbacks see of a training, and may do in the middle of it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from small_training import F, N, T, half, inputs, small

import fastgru
from fastgru import callbacks
from fastgru.layers import GRU, Dense, Dropout, Input
from fastgru.models import Sequential


class Stop(callbacks.Callback):
    def __init__(self, epoch: int, batch: int | None = None, error: type[BaseException] | None = None) -> None:
        self.epoch, self.batch, self.error = epoch, batch, error
        self.now = 0
        self.calls: list[str] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.now = epoch

    def stop(self) -> None:
        if self.error:
            raise self.error
        self.model.stop_training = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(f"{self.now}.{batch}")
        if (self.now, batch) == (self.epoch, self.batch):
            self.stop()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.batch is None and epoch == self.epoch:
            self.stop()


def test_a_callback_may_train_another_model_that_shares_a_layer(rng: np.random.Generator) -> None:
    x, shared = inputs(rng), GRU(4)
    one, other = (Sequential([Input((T, F)), shared, Dense(units)]) for units in (2, 1))
    seen: list[np.ndarray] = []

    class TrainTheOther(callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(shared.kernel.numpy())

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(shared.kernel.numpy())
            other.train_on_batch(x, np.ones((N, 1)))

    for model in (one, other):
        model.compile("sgd", "mse")
    one.fit(x, np.ones((N, 2)), batch_size=11, verbose=0, callbacks=[TrainTheOther()])
    seen.append(shared.kernel.numpy())
    assert all(not np.array_equal(before, after) for before, after in itertools.pairwise(seen))


def test_a_callback_may_call_the_model_as_in_training(rng: np.random.Generator) -> None:
    model = Sequential([Input((5,)), Dropout(0.5)])
    model.compile("sgd", "mse")
    x = rng.normal(size=(6, 5))

    class Calls(callbacks.Callback):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            model(x, training=True)

        on_test_batch_end = on_predict_batch_end

    options: dict[str, Any] = {"batch_size": 2, "callbacks": [Calls()], "verbose": 0}
    np.testing.assert_array_equal(model.predict(x, **options), x.astype("float32"))
    assert model.evaluate(x, x, **options) == pytest.approx(0, abs=1e-12)


def test_stop_training_ends_after_the_batch_or_the_epoch(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    in_batch, in_epoch = Stop(1, 2), Stop(1)
    model = small()
    assert model.fit(x, y, batch_size=8, epochs=5, verbose=0, callbacks=[in_batch]).epoch == [0, 1]
    assert in_batch.calls[-1] == "1.2"
    assert model.fit(x, y, batch_size=8, epochs=5, verbose=0, callbacks=in_epoch).epoch == [0, 1]
    assert model.fit(x, y, batch_size=8, epochs=5, verbose=0).epoch == [0, 1, 2, 3, 4]


def test_an_interrupted_training_leaves_a_model_to_go_on_with(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    model = small()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=8, verbose=0, epochs=3, callbacks=[Stop(1, 2, KeyboardInterrupt)])
    assert model.optimizer.iterations == 6 + 3
    assert np.isfinite(model.predict(x, verbose=0)).all()
    loss = model.evaluate(x, y, verbose=0)[0]
    model.fit(x, y, batch_size=8, verbose=0, epochs=20)
    assert model.evaluate(x, y, verbose=0)[0] < loss


def test_an_interrupt_right_behind_an_update_leaves_no_old_weights_to_predict_with(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = inputs(rng), half(rng)
    model = small()
    model.predict(x, verbose=0)
    update = model.optimizer._update

    def interrupted(*arguments: Any) -> None:
        update(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(model.optimizer, "_update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0)
    fresh = small()
    fresh.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), fresh.predict(x, verbose=0))


class Recorder(callbacks.Callback):
    def __init__(self) -> None:
        self.events: list[Any] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_") and "batch" not in name:
            return lambda *arguments: self.events.append((name, *arguments[:-1], sorted(arguments[-1] or {})))
        if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):
            return lambda batch, logs=None: self.events.append((name, batch, sorted(logs or {})))
        return super().__getattribute__(name)


def test_callbacks_are_called_in_the_order_of_keras(rng: np.random.Generator) -> None:
    recorder = Recorder()
    model = small(metrics=None)
    model.fit(inputs(rng), half(rng), batch_size=20, verbose=0, validation_split=0.4, callbacks=[recorder])
    model.predict(inputs(rng), batch_size=40, verbose=0, callbacks=[recorder])
    assert recorder.events == [
        ("on_train_begin", []),
        ("on_epoch_begin", 0, []),
        ("on_train_batch_begin", 0, []),
        ("on_train_batch_end", 0, ["loss"]),
        ("on_train_batch_begin", 1, []),
        ("on_train_batch_end", 1, ["loss"]),
        ("on_test_begin", []),
        ("on_test_batch_begin", 0, []),
        ("on_test_batch_end", 0, ["loss"]),
        ("on_test_end", ["loss"]),
        ("on_epoch_end", 0, ["loss", "val_loss"]),
        ("on_train_end", ["loss", "val_loss"]),
        ("on_predict_begin", []),
        ("on_predict_batch_begin", 0, []),
        ("on_predict_batch_end", 0, ["outputs"]),
        ("on_predict_batch_begin", 1, []),
        ("on_predict_batch_end", 1, ["outputs"]),
        ("on_predict_end", []),
    ]


def test_what_on_batch_end_sees_is_the_running_mean(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    seen: list[dict[str, float]] = []

    class Legacy(callbacks.Callback):
        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs)

    history = small().fit(x, y, batch_size=20, verbose=0, callbacks=[Legacy()]).history
    assert len(seen) == 3
    assert {name: [value] for name, value in seen[-1].items()} == history


def recorder_of(library: Any, stop: tuple[int, int] | None) -> Any:
    """A callback of a library that records all its calls, and stops the training in a batch of an epoch."""

    class Records(library.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.events: list[Any] = []
            self.epoch = 0

    def method(name: str) -> Any:
        def record(self: Any, *arguments: Any, logs: Any = None) -> None:
            *numbers, logs = arguments if arguments and not isinstance(arguments[-1], int) else (*arguments, logs)
            self.events.append((name, *numbers, sorted(logs or {})))
            if name == "on_epoch_begin":
                self.epoch = numbers[0]
            if name == "on_train_batch_end" and (self.epoch, numbers[0]) == stop:
                self.model.stop_training = True

        return record

    for name in dir(library.callbacks.Callback):
        if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):
            setattr(Records, name, method(name))
    return Records()


@pytest.mark.keras
@pytest.mark.parametrize(
    ("options", "stop"),
    [
        ({"validation_split": 0.25, "epochs": 2}, None),
        ({"validation_split": 0.25, "validation_freq": 2, "epochs": 3, "initial_epoch": 1}, None),
        ({"validation_split": 0.25, "epochs": 3}, (1, 1)),
        ({"steps_per_epoch": 2, "epochs": 2}, None),
        ({"epochs": 1, "initial_epoch": 1}, None),
    ],
)
def test_the_calls_of_fit_evaluate_and_predict_are_those_of_keras(
    keras: Any, rng: np.random.Generator, options: dict[str, Any], stop: tuple[int, int] | None
) -> None:
    x, y, events = inputs(rng), half(rng), []
    for library in (fastgru, keras):
        layers = library.layers
        model = library.Sequential([layers.Input((T, F)), layers.Flatten(), layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
        recorder = recorder_of(library, stop)
        model.fit(x, y, batch_size=11, verbose=0, callbacks=[recorder], **options)
        model.evaluate(x, y, batch_size=20, verbose=0, callbacks=[recorder])
        model.predict(x, batch_size=20, verbose=0, callbacks=[recorder])
        events.append(recorder.events)
    assert events[0] == events[1]
