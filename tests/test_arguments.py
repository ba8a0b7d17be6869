"""Arguments of constructors: nonsense is refused by name, whatever takes it, before anything is computed with it."""

from __future__ import annotations

import inspect
import json
import math
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru import (
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    saving,
)
from fastgru.optimizers import schedules

NONSENSE = object(), "nonsense", math.nan, [None], {"a": 1}  # the first is nonsense everywhere
REQUIRED: dict[str, Any] = {
    "activation": "relu", "alpha": 1.0, "axes": 1, "axis": -1, "backup_dir": "folder", "boundaries": [1],
    "cell": layers.GRUCell(3), "cells": [layers.GRUCell(3)], "decay_rate": 0.9, "decay_steps": 10, "dims": (2, 1),
    "equation": "ab,bc->ac", "filename": "a.csv", "filepath": "a.keras", "filters": 3, "first_decay_steps": 10,
    "fn": abs, "function": abs, "head_dim": 3, "initial_learning_rate": 0.1, "inner_optimizer": optimizers.Adam(),
    "input_dim": 5, "kernel_size": 3, "key_dim": 3, "layer": layers.GRU(3), "n": 3, "num_bins": 5, "num_classes": 3,
    "num_heads": 2, "num_key_value_heads": 2, "num_query_heads": 2, "output_dim": 2, "output_shape": (3,),
    "pool_size": 2, "precision": 0.5, "rate": 0.5, "recall": 0.5, "scale": 2.0, "schedule": abs, "sensitivity": 0.5,
    "specificity": 0.5, "stddev": 0.5, "target_class_ids": [1], "target_shape": (3,), "units": 3, "values": [1.0, 2.0],
}  # fmt: skip
# those that need an argument that is not required
NOT_ALONE = {
    "AUCCurve", "AUCSummationMethod", "CallbackList", "CategoryEncoding", "Discretization", "InputLayer",
    "MultiOptimizer", "OptimizerMap",
}  # fmt: skip
# a word that nobody knows is "auto" for `mode`, with a warning, as in Keras; weights may well begin with NaN
NOT_CHECKED = {"embeddings_metadata", "has_input_vocabulary", "mask", "mode", "quantization_config", "value"}


ROOMS = layers, optimizers, schedules, losses, metrics, callbacks, initializers, regularizers, constraints


def _public(package: Any) -> set[type]:
    names = getattr(package, "__all__", dir(package))
    classes = {cls for name in names if isinstance(cls := getattr(package, name, None), type)}
    return {cls for cls in classes if cls.__name__ not in NOT_ALONE and cls.__module__.startswith("fastgru")}


CLASSES = sorted({cls for package in ROOMS for cls in _public(package)}, key=lambda cls: (cls.__module__, cls.__name__))


def parameters_of(cls: type) -> list[inspect.Parameter]:
    parameters = inspect.signature(cls).parameters.values()
    return [one for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]


def made(cls: type, **arguments: Any) -> Any:
    required = {one.name: REQUIRED[one.name] for one in parameters_of(cls) if one.default is one.empty}
    return cls(**{**required, **arguments})


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__.split('.')[1]}-{cls.__name__}")
def test_an_argument_that_makes_no_sense_is_refused(cls: type) -> None:
    made(cls)
    accepted = []
    for parameter in parameters_of(cls):
        if parameter.name in NOT_CHECKED:
            continue
        is_number = isinstance(parameter.default, (bool, int, float))
        for value in NONSENSE if is_number else NONSENSE[:1]:
            try:
                made(cls, **{parameter.name: value})
            except ValueError:
                continue
            except TypeError as error:
                if parameter.name in str(error) or "os.PathLike" in str(error):
                    continue
            accepted.append(f"{parameter.name}={value!r}")
    assert not accepted, f"{cls.__name__} takes {', '.join(accepted)}"


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: layers.BatchNormalization(momentum=4), "momentum must lie in"),
        (lambda: layers.BatchNormalization(renorm_momentum=-1), "renorm_momentum must lie in"),
        (lambda: layers.BatchNormalization(epsilon=-1), "epsilon must be at least 0"),
        (lambda: layers.LayerNormalization(epsilon=-1), "epsilon must be at least 0"),
        (lambda: layers.GroupNormalization(epsilon=-1), "epsilon must be at least 0"),
        (lambda: layers.RMSNormalization(epsilon=-1), "epsilon must be at least 0"),
        (lambda: layers.BatchNormalization(synchronized=True), "synchronized=True is only supported"),
        (lambda: layers.Embedding(7.3, 2), "`input_dim` must be a positive integer, got 7.3"),
        (lambda: layers.Embedding(-7, 2), "`input_dim` must be a positive integer, got -7"),
        (lambda: layers.Embedding(7, 2, input_length=-1), "input_length: expected an integer"),
        (lambda: layers.RepeatVector("3"), "n must be a positive integer, got '3'"),
        (lambda: layers.Dense(3, trainable="maybe"), "trainable must be True or False, got 'maybe'"),
        (lambda: layers.Dense(3, input_shape="4"), "input_shape must be a tuple of sizes"),
        (lambda: layers.Dense(3, lora_rank=2), "lora_rank is not supported"),
        (lambda: layers.Dense(3, lora_alpha=2), "lora_alpha is not supported"),
        (lambda: layers.Embedding(3, 2, lora_alpha=2), "lora_alpha is not supported"),
        (lambda: layers.EinsumDense("ab,bc->ac", 3, lora_alpha=2), "lora_alpha is not supported"),
        (lambda: layers.GRU(3, use_cudnn="x"), "Expected 'auto', True or False, got 'x'"),
        (lambda: layers.LSTM(3, use_cudnn=True), "there is no cuDNN"),
        (lambda: layers.GRU(3, implementation=3), "implementation must be one of 0, 1, 2, got 3"),
        (lambda: layers.GRUCell(3, implementation=3), "implementation must be one of 0, 1, 2, got 3"),
        (lambda: layers.Dropout(0.5)(np.ones((2, 3)), True), "give mask and training by name"),
        (lambda: layers.Bidirectional(layers.GRU(3), weights=3), "expected a list of arrays as weights"),
        (lambda: compiled(run_eagerly="x"), "run_eagerly must be True or False, got 'x'"),
        (lambda: compiled(jit_compile="x"), "jit_compile must be True or False, got 'x'"),
        (lambda: compiled(steps_per_execution=0), "steps_per_execution must be a positive integer, got 0"),
        (lambda: compiled(auto_scale_loss="x"), "auto_scale_loss must be True or False, got 'x'"),
        (lambda: callbacks.LambdaCallback(on_epoch_end=3), "on_epoch_end must be a function, got 3"),
    ],
)
def test_what_is_out_of_its_range_or_does_nothing_is_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def compiled(**arguments: Any) -> None:
    models.Sequential([layers.Dense(1)]).compile("sgd", "mse", **arguments)


def test_a_file_with_synchronized_statistics_opens_and_says_that_they_are_of_one_process(tmp_path: Path) -> None:
    model = models.Sequential([layers.BatchNormalization(input_shape=(3,))])
    form = json.loads(model.to_json())
    form["config"]["layers"][-1]["config"]["synchronized"] = True
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as old, zipfile.ZipFile(tmp_path / "again.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, json.dumps(form) if name == "config.json" else old.read(name))
    again = saving.load_model(tmp_path / "again.keras")
    assert "synchronized=True is left out" in str(again.load_report)
    np.testing.assert_array_equal(again.predict(np.ones((2, 3))), model.predict(np.ones((2, 3))))
