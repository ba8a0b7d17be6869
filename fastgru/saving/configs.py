"""Keras's configs, old and new: how a file's JSON becomes a model, and a model's config the legacy form.

What an older Keras meant by its words is translated here, once, into Keras 3's; the layers know Keras 3's alone.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

from fastgru import constraints, initializers, registry, regularizers
from fastgru.saving.errors import notice, reading, sentence

Config = dict[str, Any]
Version = tuple[int, int]

FROM_NAMES = {"_initializer": initializers.get, "_regularizer": regularizers.get, "_constraint": constraints.get}


def version(text: str | None) -> Version:
    """(major, minor) of a Keras version such as ``2.2.4-tf``; Keras 1 did not write one."""
    found = re.match(r"(\d+)\.(\d+)", text or "")
    return (int(found[1]), int(found[2])) if found else (1, 0)


def parsed(text: str | bytes | None, file: str, place: str) -> Config | None:
    """A JSON object of a file; None where there is no text."""
    if text is None:
        return None
    with reading(file, place):
        found = json.loads(text, object_hook=_without_wrapping)
        if not isinstance(found, dict):
            raise ValueError(f"expected a JSON object, got {type(found).__name__}")
        return found


def _without_wrapping(found: Config) -> Any:
    """Keras 2 wrapped tuples and shapes; lists say the same."""
    return found["items"] if found.get("class_name") in ("__tuple__", "TensorShape") and "items" in found else found


class Builder:
    """Makes the model that a file describes.

    Parameters
    ----------
    file : str
        Name of the file, for error messages.
    version : tuple of int
        Of the Keras that wrote it.
    custom_objects : mapping, optional
        The user's classes and functions by the names that stand in the file.

    Attributes
    ----------
    unknown : list of str
        What of the training setup inside the layers fastgru does not know.
    """

    def __init__(self, file: str, version: Version, custom_objects: Mapping[str, Any] | None) -> None:
        self.file = file
        self.version = version
        self.custom_objects = dict(custom_objects or {})
        self.unknown: list[str] = []

    def model(self, spec: Config) -> Any:
        """The model, without its weights, not compiled."""
        with reading(self.file, "model config"):
            cls = registry.lookup("keras.models", _class_name(spec), self.custom_objects)
            config = spec["config"]
            if isinstance(config, list):  # up to Keras 2.2 a Sequential was the bare list of its layers
                config = {"layers": config}
            layers = [self.layer(layer) for layer in config["layers"]]
            model = cls(layers, name=config.get("name"))
            if not model.built and config.get("build_input_shape"):
                model.build(tuple(config["build_input_shape"]))
            return model

    def layer(self, spec: Config) -> Any:
        """One layer."""
        class_name = _class_name(spec)
        if class_name in registry.known("keras.models"):
            return self.model(spec)
        config = dict(spec["config"])
        with reading(self.file, f"layer {config.get('name')!r} ({class_name})"):
            if self.version < (3, 0):
                config = _modern_layer(class_name, config)
            config = self._custom(config)
            for ending, get in FROM_NAMES.items():
                for name in [name for name in config if name.endswith(ending)]:
                    try:
                        config[name] = get(config[name])
                    except Exception as error:
                        # initial values are of no use to a model whose weights stand in the file
                        del config[name]
                        if ending != "_initializer":
                            self.unknown.append(f"layer {config.get('name')!r}, {name}: {sentence(error)}")
            return registry.lookup("keras.layers", class_name, self.custom_objects).from_config(config)

    def compile(self, model: Any, training: Config) -> bool:
        """Compile the model as it was; warn and leave it as it is where fastgru does not know a part of the setup."""
        if self.version < (3, 0):
            training = _modern_training(training)
        reasons = self.unknown
        if not reasons:
            try:
                model.compile_from_config(self._custom(training))
            except Exception as error:
                reasons = [sentence(error)]
        if reasons:
            notice(f"{self.file}: the model is loaded but not compiled: {' '.join(reasons)}")
        return not reasons

    def _custom(self, value: Any) -> Any:
        """The user's own objects in the place of their names and configs."""
        if isinstance(value, list):
            return [self._custom(entry) for entry in value]
        if isinstance(value, str):
            return self.custom_objects.get(value, value)
        if not isinstance(value, dict):
            return value
        if value.get("class_name") == "__lambda__":
            raise ValueError("holds the code of a Python lambda, and code from a file is never run")
        if value.get("class_name") == "function":
            value = value["config"]
            return self.custom_objects.get(value, value)
        names = (value.get("class_name"), value.get("registered_name"))
        found: Any = next((self.custom_objects[name] for name in names if name in self.custom_objects), None)
        if found is None:
            return {key: entry if key == "name" else self._custom(entry) for key, entry in value.items()}
        return found.from_config(value.get("config") or {}) if hasattr(found, "from_config") else found


def _class_name(spec: Any) -> str:
    if not isinstance(spec, dict) or not isinstance(spec.get("class_name"), str) or "config" not in spec:
        raise ValueError("expected a JSON object with 'class_name' and 'config'")
    return str(spec["class_name"])


# --- Keras 2 to Keras 3 -----------------------------------------------------------------------------------------------


def _modern_layer(class_name: str, config: Config) -> Config:
    """A layer's config of Keras 2 in Keras 3's words."""
    if "batch_input_shape" in config:
        config["batch_shape"] = config.pop("batch_input_shape")
    config.pop("enable_caching_device", None)
    if class_name == "GRU":
        if config.pop("time_major", False):
            raise ValueError("time_major=True is not supported by fastgru")
        config.setdefault("reset_after", False)  # the option came with Keras 2.1.5
    for name, value in config.items():
        if value == "hard_sigmoid":  # clip(x / 5 + 1/2) up to Keras 2, clip(x / 6 + 1/2) in Keras 3
            config[name] = "hard_sigmoid_old"
    return config


def training_from_legacy(training: Config) -> Config:
    """The `training_config` of a legacy file in the form of a `.keras` file's `compile_config`."""
    parts = ("loss", "loss_weights", "metrics", "weighted_metrics")
    return {"optimizer": training.get("optimizer_config"), **{part: training.get(part) for part in parts}}


def _modern_training(training: Config) -> Config:
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
        # what was given as "accuracy" was resolved by the shapes and still has its name
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


# --- Keras 3's config in the form of its legacy files -----------------------------------------------------------------


def legacy_model(spec: Mapping[str, Any]) -> Config:
    """A model's config as a legacy file has it: no modules, no build or compile configs."""
    config = dict(spec["config"])
    if "layers" in config:
        config["layers"] = [legacy_model(layer) for layer in config["layers"]]
    return {"class_name": spec["class_name"], "config": config}


def legacy_training(training: Mapping[str, Any]) -> Config:
    """A `compile_config` as the `training_config` of a legacy file."""
    config = {name: _legacy_function(value) for name, value in training.items()}
    config["optimizer_config"] = config.pop("optimizer")
    if isinstance(config["loss"], str):
        # Keras 3 does not open its own legacy files where the loss goes by a short name such as "mse"
        with contextlib.suppress(ValueError):
            config["loss"] = registry.snake_case(registry.lookup("keras.losses", config["loss"]).__name__)
    return config


def _legacy_function(spec: Any) -> Any:
    if isinstance(spec, (list, tuple)):
        return [_legacy_function(entry) for entry in spec]
    if isinstance(spec, Mapping) and "class_name" in spec:
        return {"class_name": spec["class_name"], "config": spec["config"]}
    return spec
