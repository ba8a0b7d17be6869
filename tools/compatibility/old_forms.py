"""A saved file of today in the words of older versions: the loader's own tables, read the other way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py

from fastgru.saving.legacy.words import CLASSES, MODELS, RENAMED, RENAMED_IN
from fastgru.saving.legacy.writing import BY_NAME


def aged(base: Path, version: str | None) -> Path:
    """The saved `.h5` file in the words of an older version; None is Keras 1."""
    path = base / f"old_{version}.h5"
    path.write_bytes((base / "model.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        config = old_form(json.loads(file.attrs["model_config"]), version is None)
        file.attrs["model_config"] = json.dumps(config)
        for group in (file, file["model_weights"]):
            del group.attrs["keras_version"]
            group.attrs["backend"] = "tensorflow"
            if version:
                group.attrs["keras_version"] = version
    return path


def old_form(form: Any, first: bool) -> Any:
    """A config in old words: the translation's own tables, read the other way."""
    if isinstance(form, list):
        return [old_form(entry, first) for entry in form]
    if not isinstance(form, dict):
        return form
    if form.get("class_name") == "DTypePolicy":
        return form["config"]["name"]
    renamed = {key: old_form(value, first) for key, value in form.items() if key not in ("module", "registered_name")}
    if not {"class_name", "config"} <= renamed.keys() or not isinstance(renamed["config"], dict):
        return renamed
    name, config = renamed["class_name"], renamed["config"]
    if "inbound_nodes" in renamed:
        renamed["inbound_nodes"] = [old_node(node) for node in form["inbound_nodes"]]
    if name == "Sequential":
        return {**renamed, "config": config["layers"]}
    if name in MODELS:
        return {**renamed, "class_name": "Model"}
    tables = (RENAMED, RENAMED_IN.get(name, {})) if first else ()
    words = {new: old for one in tables for old, new in one.items() if old != "custom_name"}
    words |= {"batch_shape": "batch_input_shape", **({"negative_slope": "alpha"} if name == "LeakyReLU" else {})}
    classes = {new: old for old, new in CLASSES.items() if old.startswith("Convolution") and first}
    renamed["config"] = {words.get(key, key): value for key, value in config.items()}
    return {**renamed, "class_name": classes.get(name, name)}


def old_node(node: dict[str, Any]) -> list[Any]:
    first, *more = node["args"]
    tensors = first if isinstance(first, list) else [first]
    by_name = {name: tensor["config"]["keras_history"] for name, tensor in zip(BY_NAME, more, strict=False)}
    return [[*tensor["config"]["keras_history"], by_name] for tensor in tensors]
