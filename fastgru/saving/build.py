"""Keras's configs: how a file's JSON becomes a model, and a model's config the legacy form.

What an older Keras meant by its words is translated first (`old_configs`, `old_training`).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastgru import activations, constraints, initializers, registry, regularizers
from fastgru.naming import snake_case
from fastgru.ops.operation import OPERATIONS
from fastgru.saving import graphs
from fastgru.saving.errors import Report, notice, reading, sentence
from fastgru.saving.matching import Entry
from fastgru.saving.old_configs import described, is_model

Config = dict[str, Any]
Version = tuple[int, int]

FROM_NAMES = {"_initializer": initializers.get, "_regularizer": regularizers.get, "_constraint": constraints.get}
MAX_DEPTH = 100
MAX_LAYERS = 2_000
MAX_TEXT = 1 << 24  # as Python's objects JSON takes up to thirty times its length
COUNTED = ("layers", "inbound_nodes", "cells")
INNER = ("layer", "backward_layer", "forward_layer", "cell")
WITH_MODULE = ("Attention",)  # without it Keras takes its option "dot" for the function of that name


def register(name: str, layer: Any) -> None:
    """Make a class (or a function) known to all loading under the name that stands in files.

    Parameters
    ----------
    name : str
        For instance ``"SelfAttention"``; the package before a ``>`` can be left out.
    layer : type or callable
        A subclass of `fastgru.Layer`, or a function such as an activation.
    """
    if not isinstance(name, str) or not callable(layer):
        raise ValueError(f"register: expected a name and a class or a function, got {name!r} and {layer!r}.")
    registry.registrations[name] = layer


def version(text: str | None) -> Version:
    """(major, minor) of a Keras version such as ``2.2.4-tf``; Keras 1 did not write one."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})", text or "", re.ASCII)
    return (int(found[1]), int(found[2])) if found else (1, 0)


def parsed(text: str | bytes | None, file: str, place: str) -> Config | None:
    """A JSON object of a file; None where there is no text."""
    if text is None:
        return None
    with reading(file, place):
        if len(text) > MAX_TEXT:
            raise ValueError(f"is a text of {len(text)} bytes; at most {MAX_TEXT} are accepted")
        found = json.loads(text, object_hook=_without_wrapping)
        if not isinstance(found, dict):
            raise ValueError(f"expected a JSON object, got {type(found).__name__}")
        _check_depth(found)
        return found


def _without_wrapping(found: Config) -> Any:
    """Keras 2 wrapped tuples, shapes and numpy arrays; lists and numbers say the same."""
    if found.get("class_name") in ("__tuple__", "TensorShape") and "items" in found:
        return found["items"]
    return found["value"] if found.get("type") == "ndarray" and "value" in found else found


def _check_depth(found: Any) -> None:
    """ValueError where JSON is nested too deeply, or describes too many layers, to be gone through safely."""
    waiting, layers = [(found, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH or layers > MAX_LAYERS:
            raise ValueError(f"is nested deeper than {MAX_DEPTH} or describes more than {MAX_LAYERS} layers or calls")
        if isinstance(value, dict):
            layers += sum(len(value[key]) for key in COUNTED if isinstance(value.get(key), list))
            waiting += [(entry, depth + 1) for entry in value.values()]
        elif isinstance(value, list):
            waiting += [(entry, depth + 1) for entry in value if isinstance(entry, (dict, list))]


class Builder:
    """Makes the model that a config in Keras 3's form describes.

    Parameters
    ----------
    file : str
        Name of the file, for error messages.
    custom_objects : mapping, optional
        The user's classes and functions by the names that stand in the file.
    report : Report
        Gets the decisions that were taken.

    Attributes
    ----------
    unknown : list of str
        What of the training setup inside the layers fastgru does not know.
    entries : dict
        For each model built, by its `id`, how a weight file lists its layers.
    """

    def __init__(self, file: str, custom_objects: Mapping[str, Any] | None, report: Report) -> None:
        importlib.import_module("fastgru.models")  # makes the models known, which stand above this room
        self.file = file
        self.custom_objects = {**registry.registrations, **(custom_objects or {})}
        self.report = report
        self.unknown: list[str] = []
        self.entries: dict[int, list[Entry]] = {}

    def model(self, spec: Config) -> Any:
        """The model, without its weights, not compiled."""
        with reading(self.file, "model config"):
            spec = self._with_known_layers(spec)
            class_name, config = described(spec)
            if class_name == "Sequential":
                model = self._sequential(spec)
            else:
                graph = registry.lookup("keras.models", "Functional")
                model = graph.from_config(config, self.custom_objects, make_layer=self._make)
            built = {layer.name: layer for layer in model.layers}
            stored = spec.get("stored_layers") or []
            self.entries[id(model)] = [(snake_case(name), inside, built.get(layer)) for name, layer, inside in stored]
            if "trainable" in config and config["trainable"] is False:
                model.trainable = False
            return model

    def _make(self, form: Config, custom_objects: Any = None) -> Any:
        """One layer of a graph."""
        return self.layer(form)

    def _sequential(self, spec: Config) -> Any:
        config = spec["config"]
        cls = registry.lookup("keras.models", "Sequential")
        model = cls([self.layer(layer) for layer in config["layers"]], name=config.get("name"))
        if not model.built and config.get("build_input_shape"):
            model.build(tuple(config["build_input_shape"]))
        return model

    def layer(self, spec: Config) -> Any:
        """One layer, or a model as a layer."""
        class_name, config = described(spec)
        if is_model(class_name, config):
            return self.model(spec)
        if _is_operation(spec):
            return registry.deserialize(spec, OPERATIONS)
        name = config.get("name")
        with reading(self.file, f"layer {name!r} ({class_name})"):
            cls = self._class(spec)
            config = dict(config)
            for key in INNER:
                if isinstance(config.get(key), dict) and "class_name" in config[key]:
                    config[key] = self.layer(config[key])
            if isinstance(config.get("cells"), list):
                config["cells"] = [self.layer(cell) for cell in config["cells"]]
            config = self._for_inference(cls, self._custom(config))
            return cls.from_config(config)

    def _for_inference(self, cls: Any, config: Config) -> Config:
        """The config with objects in the place of their configs, without what is unknown and of no account."""
        found = {}
        accepted = _arguments(cls)
        for key, value in config.items():
            get = next((get for ending, get in FROM_NAMES.items() if key.endswith(ending)), None)
            if get is not None:
                try:
                    found[key] = get(value)
                except Exception as error:
                    # initial values are of no use to a model whose weights stand in the file
                    self.report.decide(f"{key} is not known and left out", config.get("name"))
                    if not key.endswith("_initializer") and sentence(error) not in self.unknown:
                        self.unknown.append(sentence(error))
            elif accepted is None or key in accepted:
                found[key] = value
            elif value:
                self.report.decide(f"The option {key}={value!r} is not known and ignored", config.get("name"))
                where = f"{self.file}, layer {config.get('name')!r}, {key}"
                notice(f"{where}: the option {key}={value!r} is not known to fastgru and is ignored.")
        return found

    # --- what is known ------------------------------------------------------------------------------------------------

    def _names(self, form: Config) -> list[str]:
        registered = form.get("registered_name")
        names = [form["class_name"], *([registered] if isinstance(registered, str) else [])]
        return [*names, *(name.rsplit(">", 1)[-1] for name in names)]

    def _class(self, form: Config) -> Any:
        found = next((self.custom_objects[name] for name in self._names(form) if name in self.custom_objects), None)
        if found is not None:
            return found
        return registry.lookup("keras.layers", form["class_name"])

    def unknown_in(self, form: Config) -> str | None:
        """The first class in a layer's form that fastgru does not know."""
        class_name, config = described(form)
        if is_model(class_name, config):
            return next((bad for inner in config["layers"] if (bad := self.unknown_in(inner))), None)
        if _is_operation(form):
            return None
        if not any(name in self.custom_objects for name in self._names(form)):
            try:
                registry.lookup("keras.layers", class_name)
            except ValueError:
                return class_name
        for key, value in config.items() if isinstance(config, dict) else ():
            if key.endswith("activation") and (bad := self._unknown_activation(value)):
                return bad
        return next((bad for inner in _inner_forms(config) if (bad := self.unknown_in(inner))), None)

    def _unknown_activation(self, value: Any) -> str | None:
        """The name of an activation that fastgru does not know."""
        if isinstance(value, dict) and value.get("class_name") == "__lambda__":
            return "Lambda"
        name = value.get("config") if isinstance(value, dict) and value.get("class_name") == "function" else value
        if not isinstance(name, str) or name.rsplit(">", 1)[-1] in self.custom_objects or name in self.custom_objects:
            return None
        try:
            activations.get(name)
        except ValueError:
            return name
        return None

    def _with_known_layers(self, spec: Config) -> Config:
        """The model without unknown layers that lead to no output.

        ValueError where the outputs need a layer that cannot be built; it says where one can stop instead.
        """
        if not any(self.unknown_in(form) for form in spec["config"]["layers"]):
            return spec
        spec, left = graphs.without_dead_ends(spec, self.unknown_in)
        for name in left:
            self.report.decide("Left out, as no output needs them", name)
        form, stops = graphs.stops(spec, self.unknown_in)
        if form is None:
            return spec
        class_name = self.unknown_in(form)
        layer = form["config"].get("name", form.get("name"))
        if class_name == "Lambda":
            reason = "holds Python code, and code from a file is never run"
        else:
            reason = "is not known to fastgru"
        ways = [f"stop before it with outputs={stops[-4:]}"] if stops else []
        if class_name != "Lambda":
            ways.insert(0, f"give your own with custom_objects={{{class_name!r}: ...}}")
        kind = class_name if class_name == form["class_name"] else f"{form['class_name']} with {class_name}"
        where = f"layer {layer!r} ({kind}) {reason}, and the model's outputs need it"
        raise ValueError("; ".join([where, *([" or ".join(ways)] if ways else [])]))

    # --- training -----------------------------------------------------------------------------------------------------

    def compile(self, model: Any, training: Config) -> bool:
        """Compile the model as it was; warn and leave it as it is where fastgru does not know a part of the setup."""
        reasons = self.unknown
        if not reasons:
            try:
                model.compile_from_config(self._custom(training))
            except Exception as error:
                reasons = [sentence(error)]
        if reasons:
            self.report.decide(f"The training setup is not restored ({' '.join(reasons).rstrip('.')})")
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
        found: Any = None
        if isinstance(value.get("class_name"), str):
            found = next(
                (self.custom_objects[name] for name in self._names(value) if name in self.custom_objects), None
            )
        if found is None:
            return {key: entry if key == "name" else self._custom(entry) for key, entry in value.items()}
        return found.from_config(value.get("config") or {}) if hasattr(found, "from_config") else found


def _is_operation(form: Config) -> bool:
    """Whether a form is that of an operation: legacy files leave out its module, and it has no options of a layer."""
    if form["class_name"] not in registry.known(OPERATIONS):
        return False
    module = form.get("module")
    return module.startswith("keras.src.ops") if isinstance(module, str) else "trainable" not in form["config"]


def _inner_forms(config: Any) -> Iterator[Config]:
    """The forms of the layers in a wrapper."""
    if isinstance(config, dict):
        found = [config.get(key) for key in INNER] + list(config.get("cells") or [])
        yield from (form for form in found if isinstance(form, dict) and "class_name" in form)


@functools.cache
def _arguments(cls: Any) -> frozenset[str] | None:
    """The names that a class's constructor takes; None where that cannot be told."""
    found: set[str] = set()
    for base in inspect.getmro(cls) if isinstance(cls, type) else ():
        if not {"__init__", "__signature__"} & vars(base).keys():
            continue
        parameters = inspect.signature(base).parameters.values() if base is not object else ()
        found.update(parameter.name for parameter in parameters)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return frozenset(found)
    return None
