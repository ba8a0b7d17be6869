"""What older versions of Keras compiled a model with, in the words of Keras 3, and the state of its optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru.saving.report import Report
from fastgru.saving.stored import ArrayInMemory, Config, StoredArray


def modern_training(training: Config) -> Config:
    """What Keras 2 compiled a model with, in Keras 3's words."""
    return {
        **training,
        "optimizer": _modern_optimizer(training.get("optimizer")),
        "loss": _only(_modern_function(training.get("loss"))),
        "metrics": _flat(_modern_function(training.get("metrics"))),
        "weighted_metrics": _flat(_modern_function(training.get("weighted_metrics"))),
    }


def _modern_optimizer(spec: Any) -> Any:
    if not isinstance(spec, dict):
        return spec
    config = {name: value for name, value in spec["config"].items() if value is not None}
    for name in ("jit_compile", "is_legacy_optimizer"):
        config.pop(name, None)
    if config.get("decay") == 0:
        del config["decay"]
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    return {"class_name": spec["class_name"].removeprefix("Custom>"), "config": config}


def _modern_function(spec: Any) -> Any:
    """A loss or a metric, or a list of them."""
    if isinstance(spec, list):
        return [_modern_function(entry) for entry in spec]
    if not isinstance(spec, dict) or not isinstance(spec.get("config"), dict):
        return spec
    config = dict(spec["config"])
    function = config.pop("fn", None)
    if spec["class_name"] in ("MeanMetricWrapper", "LossFunctionWrapper"):
        # "accuracy" was resolved by the shapes and still has its name
        return config["name"] if config.get("name") in ("accuracy", "acc", "crossentropy", "ce") else function
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    return {**spec, "config": config}


def _flat(entries: Any) -> Any:
    """Metrics of a model with one output, which Keras 2 wrapped in one more list."""
    if not isinstance(entries, list):
        return entries
    return [inner for entry in entries for inner in (entry if isinstance(entry, list) else [entry])]


def _only(entries: Any) -> Any:
    return entries[0] if isinstance(entries, list) and len(entries) == 1 else entries


# --- the state of the optimizer ---------------------------------------------------------------------------------------


def state_in_order(optimizer: Any, stored: Sequence[StoredArray], report: Report) -> list[StoredArray]:
    """An old optimizer's arrays in Keras 3's order: iteration, learning rate, then for each weight its slots.

    Up to Keras 2.10 one kind of slot followed the other, all weights each, and there was no learning rate. Adam of
    Keras 2.2 had an array of one number for each slot of AMSGrad that it did not use.
    """
    expected = [variable.shape for variable in optimizer.variables]
    if not stored or [array.shape for array in stored] == expected:
        return list(stored)
    rest = list(stored)
    steps = rest.pop(0) if rest[0].shape == () else None
    if rest and rest[0].shape == () and expected[2:3] != [()]:
        rest.pop(0)
    shapes = expected[2:]
    rest = rest[: len(shapes)]
    slots = rest
    if [array.shape for array in rest] != shapes or _one_kind_after_the_other(stored):
        kinds = _kinds(optimizer)
        weights = len(shapes) // kinds if kinds else 0
        if len(rest) == len(shapes):
            slots = [rest[kind * weights + weight] for weight in range(weights) for kind in range(kinds)]
        if [array.shape for array in slots] != shapes and [array.shape for array in rest] == shapes:
            slots = rest
    if [array.shape for array in slots] == shapes and steps is None:
        report.decide("The optimizer's number of steps is not in the file and begins at 0")
    return [_number(0) if steps is None else steps, _number(optimizer.learning_rate), *slots]


def _number(value: float) -> StoredArray:
    """A number that a file does not have where today's Keras writes one."""
    return ArrayInMemory("", "", np.asarray(value))


def _kinds(optimizer: Any) -> int:
    """How many arrays an optimizer keeps for each weight, where these alternate in Keras 3."""
    return max(map(len, optimizer.slot_groups), default=0)


def _one_kind_after_the_other(stored: Sequence[StoredArray]) -> bool:
    """Whether the names are those of before Keras 2.11, where the slot stands behind the weight, or only counted."""
    return not any(mark in array.place for array in stored for mark in ("/m/", "/v/", "_momentum", "_velocity"))
