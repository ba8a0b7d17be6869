"""Callbacks: driven by the same logs they do what Keras's do."""

from __future__ import annotations

import numpy as np
import pytest

from fastgru import callbacks, metrics
from fastgru.optimizers import SGD

LOSSES = [1.0, 0.8, 0.79, 0.85, 0.795, 0.79, 0.6, 0.61, 0.62, 0.63, 0.64, 0.65]
ACCURACIES = [0.1, 0.3, 0.3, 0.2, 0.4, 0.39, 0.38, 0.41, 0.2, 0.2, 0.2, 0.2]


class Model:
    """What callbacks see of a model."""

    def __init__(self, optimizer=None):
        self.stop_training = False
        self.optimizer = optimizer or SGD(0.5)
        self.metrics = [metrics.BinaryAccuracy(name="accuracy"), metrics.Mean(name="mystery")]
        self.epoch = -1
        self.saved = []
        self.history = None

    def get_weights(self):
        return [np.array(self.epoch)]

    def set_weights(self, weights):
        self.epoch = int(weights[0])

    def save(self, path, overwrite):
        self.saved.append((self.epoch, path))

    def save_weights(self, path, overwrite):
        self.saved.append((self.epoch, path))


def run(callback, model, epochs=12):
    """A training as `fit` runs it; the number of epochs that were begun."""
    callback.set_params({"epochs": epochs})
    callback.set_model(model)
    callback.on_train_begin()
    ran = 0
    for epoch in range(epochs):
        ran += 1
        callback.on_epoch_begin(epoch)
        model.epoch = epoch
        for batch in range(3):
            callback.on_train_batch_begin(batch)
            callback.on_train_batch_end(batch, {"loss": LOSSES[epoch]})
        logs = {"loss": LOSSES[epoch], "val_loss": LOSSES[epoch], "accuracy": ACCURACIES[epoch], "mystery": 1.0}
        callback.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    callback.on_train_end()
    return ran


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 2},
        {"patience": 3, "min_delta": 0.05},
        {"monitor": "loss", "patience": 2, "restore_best_weights": True},
        {"mode": "max", "patience": 1, "monitor": "accuracy", "restore_best_weights": True},
        {"patience": 2, "baseline": 0.7},
        {"patience": 2, "start_from_epoch": 5, "restore_best_weights": True},
        {"mode": "min", "patience": 20, "restore_best_weights": True},
    ],
)
@pytest.mark.keras
def test_early_stopping_ends_where_keras_ends(keras, options):
    ours, theirs = Model(), Model()
    our_callback, their_callback = callbacks.EarlyStopping(**options), keras.callbacks.EarlyStopping(**options)
    assert run(our_callback, ours) == run(their_callback, theirs)
    assert ours.epoch == theirs.epoch
    for name in ("stopped_epoch", "best", "best_epoch", "wait"):
        assert getattr(our_callback, name) == getattr(their_callback, name)


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
        model, seen = Model(optimizer), []
        callback = module.ReduceLROnPlateau(**options)
        watcher = callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs, seen=seen, model=model: seen.append(float(model.optimizer.learning_rate))
        )
        run(callbacks.CallbackList([callback, watcher]), model)
        rates.append(seen)
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
        rates.append(model.optimizer.learning_rate)
    lowered = [epoch for epoch in range(1, 20) if rates[epoch] < rates[epoch - 1]]
    # the last epoch of a cooldown is the first to be waited again
    assert lowered == list(range(patience, 20, max(cooldown - 1, 0) + patience))
    assert len(lowered) >= 3


@pytest.mark.parametrize(
    "options",
    [
        {"filepath": "m.keras"},
        {"filepath": "m_{epoch:02d}_{val_loss:.2f}.keras"},
        {"filepath": "m_{epoch}.keras", "save_best_only": True},
        {"filepath": "m_{epoch}.h5", "save_best_only": True, "monitor": "accuracy", "mode": "max"},
        {"filepath": "m_{epoch}.weights.h5", "save_weights_only": True},
        {"filepath": "m_{epoch}_{batch}.keras", "save_freq": 4},
        {"filepath": "m.keras", "save_best_only": True, "initial_value_threshold": 0.7},
    ],
)
@pytest.mark.keras
def test_model_checkpoint_saves_what_keras_saves(keras, tmp_path, options):
    saved = []
    for module in (callbacks, keras.callbacks):
        model = Model()
        run(module.ModelCheckpoint(**{**options, "filepath": str(tmp_path / options["filepath"])}), model)
        saved.append(model.saved)
    assert saved[0] == saved[1] and saved[0]


def test_model_checkpoint_makes_the_folder(tmp_path):
    run(callbacks.ModelCheckpoint(tmp_path / "a" / "b" / "m.keras"), Model())
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("schedule", [lambda epoch, rate: rate * 0.5, lambda epoch: 1.0 / (epoch + 1)])
def test_learning_rate_scheduler_sets_the_rate_before_each_epoch(schedule):
    seen = []
    watcher = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["learning_rate"]))
    run(callbacks.CallbackList([callbacks.LearningRateScheduler(schedule), watcher]), Model(), epochs=3)
    one_argument = schedule.__code__.co_argcount == 1
    assert seen == pytest.approx([1, 1 / 2, 1 / 3] if one_argument else [0.25, 0.125, 0.0625])


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.keras
def test_csv_logger_writes_the_file_that_keras_writes(keras, tmp_path, append):
    texts = []
    for module in (callbacks, keras.callbacks):
        path = tmp_path / f"{module.__name__}.csv"
        for _ in range(2):
            run(module.CSVLogger(path, separator=";", append=append), Model(), epochs=3)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    assert texts[0].count(b"\r\n") == (7 if append else 4)


def test_csv_logger_leaves_room_for_a_later_validation(tmp_path):
    logger = callbacks.CSVLogger(tmp_path / "log.csv")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1.0})
    logger.on_epoch_end(1, {"loss": 0.5, "val_loss": 0.75})
    logger.on_train_end()
    assert (tmp_path / "log.csv").read_text().split() == ["epoch,loss,val_loss", "0,1.0,NA", "1,0.5,0.75"]


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_terminate_on_nan_ends_the_training(loss, capsys):
    model, callback = Model(), callbacks.TerminateOnNaN()
    callback.set_model(model)
    callback.on_train_batch_end(3, {"loss": 0.5})
    assert not model.stop_training
    callback.on_train_batch_end(4, {"loss": loss})
    assert model.stop_training and "Batch 4: Invalid loss" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="batch 5"):
        callbacks.TerminateOnNaN(raise_error=True).on_train_batch_end(5, {"loss": loss})


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


def test_verbose_callbacks_say_what_they_do(capsys, tmp_path):
    run(callbacks.EarlyStopping(verbose=1, restore_best_weights=True), Model())
    run(callbacks.ReduceLROnPlateau(verbose=1, patience=1), Model())
    run(callbacks.ModelCheckpoint(tmp_path / "m.keras", verbose=1, save_best_only=True), Model())
    run(callbacks.LearningRateScheduler(lambda epoch: 0.25, verbose=1), Model())
    out = capsys.readouterr().out
    for sentence in (
        "Epoch 4: early stopping",
        "end of the best epoch: 3.",
        "reducing learning rate to 0.05",
        "val_loss improved from 1.00000 to 0.80000",
        "val_loss did not improve from 0.79000",
        "setting learning rate to 0.25.",
    ):
        assert sentence in out, sentence


def test_a_number_that_is_not_logged_is_a_warning():
    with pytest.warns(UserWarning, match="'val_f1' is not in the logs; there: loss, val_loss, accuracy, mystery"):
        run(callbacks.EarlyStopping("val_f1"), Model(), epochs=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: run(callbacks.EarlyStopping("mystery"), Model()), "give mode='max' or mode='min'"),
        (lambda: callbacks.ModelCheckpoint("m.weights.h5x"), "ends in .keras or .h5"),
        (lambda: callbacks.ModelCheckpoint("m.keras", save_weights_only=True), "ends in .weights.h5"),
        (lambda: callbacks.ModelCheckpoint("m.keras", save_freq="batch"), "save_freq"),
        (lambda: callbacks.ReduceLROnPlateau(factor=1.0), "less than 1"),
        (lambda: run(callbacks.LearningRateScheduler(lambda epoch: "x"), Model()), "expected a float"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_unknown_name_in_the_path_is_named(tmp_path):
    with pytest.raises(KeyError, match="val_f1"):
        run(callbacks.ModelCheckpoint(tmp_path / "m_{val_f1}.keras"), Model())
