"""The legacy `.h5` of Keras 1 to 3: a whole model, or its weights alone.

The names of the datasets differ with every version of Keras, so nothing is read from them: the attributes
`layer_names` and `weight_names` give the layers and their arrays in order.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import fastgru
from fastgru import registry
from fastgru.naming import snake_case
from fastgru.registry import OPERATIONS
from fastgru.saving.formats import json_text
from fastgru.saving.formats.hdf5 import Node, write_strings
from fastgru.saving.stored import WRITER, Config, StoredArray, StoredModel, short_version, writer

if TYPE_CHECKING:
    import h5py

ATTRIBUTES = ("layer_names", "layer_names0", "model_config", "nb_layers")
OF_THE_MODEL = "top_level_model_weights"
WITH_MODULE = ("Attention",)  # without it Keras takes its option "dot" for the function of that name
COMPILED_WITH = ("loss", "loss_weights", "metrics", "weighted_metrics")


def is_legacy(root: Node) -> bool:
    """Whether an HDF5 file is one of these, and not one of Keras 3's weight files."""
    return "model_weights" in root or any(root.has_attribute(name) for name in ATTRIBUTES)


def stored_model(root: Node) -> StoredModel:
    """What the open file with this root holds."""
    weights = root.node("model_weights") if "model_weights" in root else root
    keras_version = root.text("keras_version") or weights.text("keras_version")
    backend = root.text("backend") or weights.text("backend")
    training = json_text.parsed(root.text("training_config"), root.file, "training_config")
    keras = f"Keras {short_version(keras_version or '1 or older (it left no version)')}"
    by_keras = f"{keras} on {backend}" if backend else keras
    fastgru_version = root.text(WRITER)
    return StoredModel(
        file=root.file,
        format="legacy HDF5",
        written_by=by_keras if fastgru_version is None else writer(fastgru_version, keras),
        arrays={name: _arrays(weights.node(name)) for name in _layer_names(weights)},
        by_layer=True,
        version=json_text.version(keras_version),
        backend=backend,
        config=json_text.parsed(root.text("model_config"), root.file, "model_config"),
        training=None if training is None else training_of(training),
        optimizer_arrays=lambda: _arrays(root.node("optimizer_weights")) if "optimizer_weights" in root else [],
        weights_file=root.file,
        place=weights.place,
        model_arrays=_arrays(weights.node(OF_THE_MODEL)) if OF_THE_MODEL in weights else [],
    )


def training_of(config: Config) -> Config:
    """A `training_config` of Keras 1 and 2 in the form of a `.keras` file."""
    return {"optimizer": config.get("optimizer_config"), **{part: config.get(part) for part in COMPILED_WITH}}


def _layer_names(weights: Node) -> list[str]:
    count = weights.number("nb_layers")
    if count is not None:  # before Keras 1.0
        return [f"layer_{number}" for number in range(count)]
    return weights.strings("layer_names") or []


def _arrays(node: Node) -> list[StoredArray]:
    count = node.number("nb_params")
    if count is not None:  # before Keras 1.0
        return [node.array(f"param_{number}") for number in range(count)]
    return [node.array(name) for name in node.strings("weight_names") or []]


# --- writing ----------------------------------------------------------------------------------------------------------


def write(
    file: h5py.Group, model: Any, config: Mapping[str, Any], training: Mapping[str, Any] | None, version: str
) -> None:
    """Write a whole model the way Keras 3 writes it, with the optimizer's state where there is a `training` setup."""
    file.attrs[WRITER] = fastgru.__version__
    file.attrs["keras_version"] = version
    file.attrs["backend"] = "numpy"
    file.attrs["model_config"] = json.dumps(legacy_model(config))
    if training is not None:
        file.attrs["training_config"] = json.dumps(legacy_training(training))
    group = file.create_group("model_weights")
    group.attrs["keras_version"] = version
    group.attrs["backend"] = "numpy"
    write_strings(group, "layer_names", [layer.name for layer in model.layers])
    for layer in sorted(model.layers, key=lambda layer: layer.name):
        weights = (*layer.trainable_weights, *layer.non_trainable_weights)
        named = [(f"{model.name}/{weight.path}", weight.value) for weight in weights]
        _write_arrays(group.create_group(layer.name), named)
    _write_arrays(group.create_group(OF_THE_MODEL), [])
    if training is not None and model.optimizer is not None:
        named = [(variable.path, variable.value) for variable in model.optimizer.variables]
        _write_arrays(file.create_group("optimizer_weights"), named)


def _write_arrays(group: h5py.Group, named: Sequence[tuple[str, Any]]) -> None:
    unique: dict[str, Any] = {}
    for name, value in named:
        count = sum(other == name or other.startswith(f"{name}_") for other in unique)  # models inside have names alike
        unique[f"{name}_{count}" if name in unique else name] = value
    write_strings(group, "weight_names", list(unique))
    for name, value in unique.items():
        group.create_dataset(name, data=value)


def legacy_model(spec: Mapping[str, Any]) -> Config:
    """A model's config as a legacy file has it: no modules, no build or compile configs.

    Some layers keep their module: Keras leaves it out, and then cannot open its own file.
    """
    config = dict(spec["config"])
    if "layers" in config:
        config["layers"] = [legacy_model(layer) for layer in config["layers"]]
    module = ("module",) if spec["class_name"] in WITH_MODULE or str(spec.get("module")).startswith(OPERATIONS) else ()
    beside = {key: spec[key] for key in (*module, "name", "inbound_nodes") if key in spec}
    return {"class_name": spec.get("registered_name") or spec["class_name"], "config": config, **beside}


def legacy_training(training: Mapping[str, Any]) -> Config:
    """A `compile_config` as the `training_config` of a legacy file."""
    config = {name: _legacy_function(value) for name, value in training.items()}
    config["optimizer_config"] = config.pop("optimizer")
    if isinstance(config["loss"], str):
        # Keras 3 does not open its own legacy files where the loss goes by a short name such as "mse"
        with contextlib.suppress(ValueError):
            config["loss"] = snake_case(registry.lookup("keras.losses", config["loss"]).__name__)
    return config


def _legacy_function(spec: Any) -> Any:
    if isinstance(spec, (list, tuple)):
        return [_legacy_function(entry) for entry in spec]
    if isinstance(spec, Mapping) and spec.get("class_name") == "function":
        return spec["config"]
    if isinstance(spec, Mapping) and "class_name" in spec:
        return {"class_name": spec["class_name"], "config": spec["config"]}
    return spec
