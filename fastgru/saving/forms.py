"""Keras's JSON forms of layers and models, ``{"class_name": ..., "config": ...}``, whatever version wrote them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastgru.models.references import Reference, history, input_form, is_tensor, tensor_form
from fastgru.saving.legacy.words import MODELS, PRUNING
from fastgru.saving.stored import Config


def described(spec: Any) -> tuple[str, Any]:
    """Class and config of a JSON form."""
    if not isinstance(spec, dict) or not isinstance(spec.get("class_name"), str) or "config" not in spec:
        raise ValueError("expected a JSON object with 'class_name' and 'config'")
    return spec["class_name"], spec["config"]


def layers_of(spec: Any) -> list[Config]:
    """The layers of a model's form, of one layer itself."""
    name, config = described(spec)
    if not is_model(name, config):
        return [spec]
    layers: list[Config] = config if isinstance(config, list) else config["layers"]
    return layers


def is_model(class_name: str, config: Any) -> bool:
    """Whether a form is that of a model; a class of the user's that is a graph of layers counts as one."""
    graph = isinstance(config, dict) and {"layers", "input_layers", "output_layers"} <= config.keys()
    return class_name in MODELS or graph


def stored_as(form: Any) -> tuple[str, Any, str]:
    """How a weight file calls a layer: its class there, its name, and where in a wrapper the layer itself is."""
    class_name, config = described(form)
    layer_name = form.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return class_name, layer_name, "layer" if class_name == PRUNING else ""


# --- graphs -----------------------------------------------------------------------------------------------------------


def as_graph(spec: Config) -> Config:
    """A Sequential as a graph in a row; a graph as it is."""
    if spec["class_name"] != "Sequential":
        return spec
    config = spec["config"]
    layers, last = [], None
    for number, form in enumerate(config["layers"]):
        name = form["config"].get("name") or f"layer_{number}"
        shape = form["config"].get("batch_shape")
        if last is None and not is_input(form):
            shape = shape or config.get("build_input_shape")
            last = f"{name}_input"
            layers.append(input_form(last, shape))
        node = {"args": [tensor_form([last, 0, 0])], "kwargs": {}}
        layers.append({**form, "name": name, "inbound_nodes": [] if last is None else [node]})
        last = name
    ends = {"input_layers": [[layers[0]["name"], 0, 0]], "output_layers": [[last, 0, 0]]} if layers else {}
    return {**spec, "class_name": "Functional", "config": {"name": config.get("name"), "layers": layers, **ends}}


def renamed(value: Any, rename: Callable[[Reference], Reference]) -> Any:
    """A node with other references."""
    if is_tensor(value):
        return {**value, "config": {**value["config"], "keras_history": rename(history(value))}}
    if isinstance(value, dict):
        return {key: renamed(entry, rename) for key, entry in value.items()}
    return [renamed(entry, rename) for entry in value] if isinstance(value, list) else value


def is_input(form: Config) -> bool:
    """Whether a form is that of an input."""
    return bool(form["class_name"] == "InputLayer")
