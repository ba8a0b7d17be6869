"""What every callback has, and what is made of others."""

from __future__ import annotations

import pytest
from callback_runs import LOSSES, Model, run

from fastgru import callbacks


def test_history_keeps_one_number_an_epoch():
    model, history = Model(), callbacks.History()
    run(history, model, epochs=3)
    assert history.epoch == [0, 1, 2] and history.history["loss"] == LOSSES[:3]
    assert model.history is history


@pytest.mark.keras
def test_the_base_class_has_the_methods_of_keras(keras):
    def methods(cls):
        return {name for name in dir(cls) if name.startswith(("on_", "set_"))}

    assert methods(callbacks.Callback) == methods(keras.callbacks.Callback)
    for name in ("EarlyStopping", "ModelCheckpoint", "LearningRateScheduler", "CSVLogger", "TerminateOnNaN", "History"):
        assert methods(getattr(callbacks, name)) == methods(getattr(keras.callbacks, name))


def test_callback_list_calls_all_in_order():
    calls = []
    names = ("on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end")

    def noted(number, name):
        return lambda *args, **kwargs: calls.append((number, name))

    made = [callbacks.LambdaCallback(**{name: noted(number, name) for name in names}) for number in (1, 2)]
    model = Model()
    several = callbacks.CallbackList(made, add_history=True, model=model, epochs=1)
    assert made[0].model is model and made[1].params == {"epochs": 1}
    run(several, model, epochs=1)
    assert calls[:2] == [(1, "on_train_begin"), (2, "on_train_begin")]
    assert len(calls) == 2 * (1 + 1 + 3 + 1) and model.history.history["loss"] == [1.0]
