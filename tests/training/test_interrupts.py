"""Ctrl-C ends a training between two batches; a loss that is no number is told of once."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_training import half, inputs, small

from fastgru import callbacks
from fastgru.callbacks import BackupAndRestore

pytestmark = pytest.mark.usefixtures("ctrl_c")


class Presses(callbacks.Callback):
    """Presses Ctrl-C in a batch of training or validation, so many times; notes the batches that are done."""

    def __init__(self, batch: int, of: str = "train", times: int = 1) -> None:
        self.batch, self.of, self.times = batch, of, times
        self.done: list[str] = []

    def press(self, of: str) -> None:
        if of == self.of and sum(name == of for name in self.done) == self.batch:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.press("train")

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.press("test")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.done.append("train")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.done.append("test")


@pytest.fixture
def data(rng: np.random.Generator) -> dict[str, Any]:
    return {"x": inputs(rng), "y": half(rng), "batch_size": 8, "epochs": 3, "verbose": 0, "validation_split": 0.5}


@pytest.mark.parametrize(("batch", "of"), [(0, "train"), (4, "train"), (2, "test"), (5, "test")])
def test_ctrl_c_ends_behind_the_batch_and_a_second_start_goes_on(
    data: dict[str, Any], tmp_path: Path, batch: int, of: str
) -> None:
    whole = small()
    model = small()
    model.set_weights(whole.get_weights())
    presses = Presses(batch, of)
    with pytest.raises(KeyboardInterrupt):
        model.fit(**data, shuffle=False, callbacks=[presses], resume=tmp_path)
    assert presses.done[-1] == of and presses.done.count(of) == batch + 1
    trained = presses.done.count("train")
    assert model.optimizer.iterations == trained
    assert model.history.epoch == list(range((trained - (of == "test")) // 3))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    rest = Presses(-1)
    history = model.fit(**data, shuffle=False, callbacks=[rest], resume=tmp_path).history
    assert rest.done.count("train") == 9 - trained
    assert history == whole.fit(**data, shuffle=False).history
    for one, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_second_ctrl_c_does_not_wait_for_the_batch(data: dict[str, Any]) -> None:
    model, presses = small(), Presses(4, times=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(**data, callbacks=[presses])
    assert presses.done.count("train") == 4
    model.fit(**data)  # the model is as usable as before


def test_ctrl_c_behind_the_last_batch_is_not_lost(data: dict[str, Any]) -> None:
    class Late(callbacks.Callback):
        def on_train_end(self, logs: Any = None) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    model = small()
    with pytest.raises(KeyboardInterrupt):
        model.fit(**data, callbacks=[Late()])
    assert model.history.epoch == [0, 1, 2]


def test_a_training_inside_a_training_heeds_the_same_ctrl_c(data: dict[str, Any]) -> None:
    inner, presses = small(), Presses(1)

    class Inner(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            inner.fit(**data, callbacks=[presses])

    outer = small()
    with pytest.raises(KeyboardInterrupt):
        outer.fit(**data, callbacks=[Inner()])
    assert presses.done == ["train", "train"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_stays(data: dict[str, Any]) -> None:
    pressed = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        assert small().fit(**data, callbacks=[Presses(1)]).epoch == [0, 1, 2]
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [signal.SIGINT]


def test_another_thread_trains_without_a_handler(data: dict[str, Any]) -> None:
    model = small()
    thread = threading.Thread(target=model.fit, kwargs=data)
    thread.start()
    thread.join()
    assert model.history.epoch == [0, 1, 2]


def test_a_loss_that_is_no_number_is_told_of_once_and_not_saved(data: dict[str, Any], tmp_path: Path) -> None:
    class Spoil(callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if self.model.optimizer.iterations == 4:  # the second batch of the second epoch
                self.model.set_weights([np.full_like(weight, np.nan) for weight in self.model.get_weights()])

    model = small()
    backup = BackupAndRestore(tmp_path, save_freq=1, delete_checkpoint=False)
    with pytest.warns(UserWarning, match=r"no finite number from epoch 2, batch 2, on.*TerminateOnNaN") as warned:
        history = model.fit(**data, callbacks=[Spoil(), backup]).history
    assert [warning.filename for warning in warned] == [__file__]
    assert np.isfinite(history["loss"]).tolist() == [True, False, False]
    clean = Presses(-1)
    model.fit(**data, callbacks=[clean, backup])
    assert clean.done.count("train") == 5, "it goes on from the last batch whose loss was a number"
    assert np.isfinite(model.get_weights()[0]).all()


def test_a_sound_training_warns_of_nothing(data: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().fit(**data)
