"""Callbacks that change the learning rate: to the rates of Keras, in the same epochs."""

from __future__ import annotations

import pytest
from callback_runs import Model, run

from fastgru import callbacks
from fastgru.optimizers import SGD


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 1, "factor": 0.5, "cooldown": 2},
        {"patience": 1, "min_lr": 0.01, "monitor": "loss"},
        {"patience": 2, "min_delta": 0.3},
        {"mode": "max", "monitor": "accuracy", "patience": 1},
        {"patience": 2, "cooldown": 2, "min_delta": 10.0},
    ],
)
@pytest.mark.keras
def test_reduce_lr_on_plateau_lowers_the_rate_when_keras_does(keras, options):
    rates = []
    for module, optimizer in [(callbacks, SGD(0.5)), (keras.callbacks, keras.optimizers.SGD(0.5))]:
        model, run_rates = Model(optimizer), []
        callback = module.ReduceLROnPlateau(**options)
        watcher = callbacks.LambdaCallback(
            on_epoch_end=lambda *args, rates=run_rates, model=model: rates.append(float(model.optimizer.learning_rate))
        )
        run(callbacks.CallbackList([callback, watcher]), model)
        rates.append(run_rates)
    assert rates[0] == pytest.approx(rates[1], rel=1e-6)
    assert rates[0][-1] < 0.5


@pytest.mark.parametrize(("patience", "cooldown"), [(2, 0), (2, 1), (2, 3), (3, 2), (1, 3)])
def test_a_plateau_lowers_the_rate_again_when_cooldown_and_patience_are_over(patience, cooldown):
    model = Model(SGD(1.0))
    callback = callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=patience, cooldown=cooldown)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch in range(20):
        callback.on_epoch_end(epoch, {"loss": 1.0})
        rates.append(float(model.optimizer.learning_rate))
    lowered = [epoch for epoch in range(1, 20) if rates[epoch] < rates[epoch - 1]]
    # the last epoch of a cooldown is the first to be waited again
    assert lowered == list(range(patience, 20, max(cooldown - 1, 0) + patience))
    assert len(lowered) >= 3


@pytest.mark.parametrize("schedule", [lambda epoch, rate: rate * 0.5, lambda epoch: 1.0 / (epoch + 1)])
def test_learning_rate_scheduler_sets_the_rate_before_each_epoch(schedule):
    rates = []
    watcher = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(logs["learning_rate"]))
    run(callbacks.CallbackList([callbacks.LearningRateScheduler(schedule), watcher]), Model(), epochs=3)
    one_argument = schedule.__code__.co_argcount == 1
    assert rates == pytest.approx([1, 1 / 2, 1 / 3] if one_argument else [0.25, 0.125, 0.0625])


def test_verbose_callbacks_say_how_they_change_the_rate(capsys):
    run(callbacks.ReduceLROnPlateau(verbose=1, patience=1), Model())
    run(callbacks.LearningRateScheduler(lambda epoch: 0.25, verbose=1), Model())
    out = capsys.readouterr().out
    for sentence in ("reducing learning rate to 0.05", "setting learning rate to 0.25."):
        assert sentence in out, sentence


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: callbacks.ReduceLROnPlateau(factor=1.0), "less than 1"),
        (lambda: callbacks.ReduceLROnPlateau(factor=-0.1), "at least 0"),
        (lambda: callbacks.ReduceLROnPlateau(patience=-1), "patience"),
        (lambda: callbacks.ReduceLROnPlateau(cooldown=-1), "cooldown"),
        (lambda: callbacks.ReduceLROnPlateau(min_lr=-1e-3), "min_lr"),
        (lambda: run(callbacks.LearningRateScheduler(lambda epoch: "x"), Model()), "expected a float"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
