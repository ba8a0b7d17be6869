"""Callbacks that watch a number: by the same logs they do what Keras's do."""

from __future__ import annotations

import numpy as np
import pytest
from callback_runs import Model, run

from fastgru import callbacks


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


def test_verbose_monitors_say_what_they_do(capsys, tmp_path):
    run(callbacks.EarlyStopping(verbose=1, restore_best_weights=True), Model())
    run(callbacks.ModelCheckpoint(tmp_path / "m.keras", verbose=1, save_best_only=True), Model())
    out = capsys.readouterr().out
    for sentence in (
        "Epoch 4: early stopping",
        "end of the best epoch: 3.",
        "val_loss improved from 1.00000 to 0.80000",
        "val_loss did not improve from 0.79000",
    ):
        assert sentence in out, sentence


def test_a_number_that_is_not_logged_is_a_warning():
    with pytest.warns(UserWarning, match="'val_f1' is not in the logs; there: loss, val_loss, accuracy, mystery"):
        run(callbacks.EarlyStopping("val_f1", mode="max"), Model(), epochs=1)


@pytest.mark.parametrize("name", ["EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"])
@pytest.mark.keras
def test_what_cannot_be_told_is_an_error_as_in_keras(keras, name):
    for module in (callbacks, keras.callbacks):
        arguments = {"filepath": "m.keras"} if name == "ModelCheckpoint" else {}
        with pytest.raises(ValueError, match="val_f1"):
            run(getattr(module, name)(**arguments, monitor="val_f1"), Model(), epochs=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: run(callbacks.EarlyStopping("mystery"), Model()), "give mode='max' or mode='min'"),
        (lambda: callbacks.ModelCheckpoint("m.weights.h5x"), "ends in .keras or .h5"),
        (lambda: callbacks.ModelCheckpoint("m.keras", save_weights_only=True), "ends in .weights.h5"),
        (lambda: callbacks.ModelCheckpoint("m.keras", save_freq="batch"), "save_freq"),
        (lambda: callbacks.ModelCheckpoint("m.keras", save_freq=0), "save_freq"),
        (lambda: callbacks.ModelCheckpoint("m.keras", initial_value_threshold="x"), "initial_value_threshold"),
        (lambda: callbacks.EarlyStopping(patience=-3), "patience"),
        (lambda: callbacks.EarlyStopping(patience=1.5), "patience"),
        (lambda: callbacks.EarlyStopping(min_delta=None), "min_delta"),
        (lambda: callbacks.EarlyStopping(baseline="x"), "baseline"),
        (lambda: callbacks.EarlyStopping(start_from_epoch=-1), "start_from_epoch"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_unknown_name_in_the_path_is_named(tmp_path):
    with pytest.raises(KeyError, match="val_f1"):
        run(callbacks.ModelCheckpoint(tmp_path / "m_{val_f1}.keras"), Model())
