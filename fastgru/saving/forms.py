"""Keras's JSON forms of layers and models, ``{"class_name": ..., "config": ...}``, whatever version wrote them."""

from __future__ import annotations

from typing import Any

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
