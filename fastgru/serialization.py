"""Objects of Keras's JSON, whatever they are; `fastgru.registry` makes those whose kind is known."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import fastgru
from fastgru import registry
from fastgru.object_registration import CustomObjectScope, custom_function, custom_object, custom_objects_in_force

__all__ = ["deserialize_keras_object", "serialize_keras_object"]

# Keras's modules of functions that a form names alone
_PARTS_WITH_FUNCTIONS = ("activations", "losses", "metrics")
_NO_MODELING = ("deserialize", "get", "resolve", "serialize")  # no function that a model could need

serialize_keras_object = registry.serialize


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """What `serialize_keras_object`, here or in Keras 3, described.

    Parameters
    ----------
    config
        A JSON form ``{"module": ..., "class_name": ..., "config": ..., "registered_name": ...}``, a list or dict of
        forms, or a plain value, which stays what it is. Tuples come back as lists.
    custom_objects : mapping, optional
        Your classes and functions by the names in the form; see also `register_keras_serializable`.
    safe_mode : bool
        Accepted for Keras's sake; code in a form is never run.
    module_objects : mapping, optional
        Further classes and functions that texts and class names stand for.

    Raises
    ------
    TypeError
        The config is no JSON, or names a class or function that is not known.
    ValueError
        It holds code, or gives a class of Keras the registered name of another.
    """
    module_objects = kwargs.pop("module_objects", None) or {}
    if kwargs:
        raise TypeError(f"deserialize_keras_object: unrecognized arguments {sorted(kwargs)}.")
    with CustomObjectScope(custom_objects):
        return _revived(config, module_objects)


def _revived(config: Any, module_objects: Mapping[str, Any]) -> Any:
    if isinstance(config, (list, tuple)):
        return [_revived(entry, module_objects) for entry in config]
    if isinstance(config, str):
        named = custom_objects_in_force().get(config, module_objects.get(config))
        is_class = isinstance(named, type) and config in module_objects
        return config if named is None else named() if is_class else named
    if config is None or isinstance(config, (int, float)):
        return config
    if not isinstance(config, Mapping):
        raise TypeError(f"Could not parse config: {config!r}; expected Keras's JSON.")
    if not {"class_name", "config"} <= config.keys():
        return {key: _revived(entry, module_objects) for key, entry in config.items()}
    name, inner = config["class_name"], config["config"] or {}
    if name in SPECIAL:
        return SPECIAL[name](inner)
    if name in ("function", "type"):
        return _function(config)
    if name == "DTypePolicy":
        return inner["name"]  # which is all that a policy is here
    if not isinstance(inner, Mapping):
        raise TypeError(f"Expected 'config' to be a dict for {name}, got {inner!r}.")
    return _instance(config, module_objects)


# --- values that JSON does not have -----------------------------------------------------------------------------------


def _array(config: Mapping[str, Any]) -> Any:
    return np.asarray(config["value"], config["dtype"])


def _slice(config: Mapping[str, Any]) -> slice:
    return slice(*(_revived(config[end], {}) for end in ("start", "stop", "step")))


def _tensor_of_a_graph(config: Mapping[str, Any]) -> Any:
    return fastgru.layers.Input(batch_shape=config["shape"], dtype=config["dtype"])


def _code(config: Mapping[str, Any]) -> Any:
    raise ValueError(
        "The config holds the code of a Python lambda; opening it would allow arbitrary code execution, and code from "
        "a file is never run. Give a function of a name by custom_objects."
    )


#: what Keras calls them: what makes them of their config
SPECIAL: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "__bytes__": lambda config: config["value"].encode(),
    "__ellipsis__": lambda config: ...,
    "__keras_tensor__": _tensor_of_a_graph,
    "__lambda__": _code,
    "__numpy__": _array,
    "__slice__": _slice,
    "__tensor__": _array,
}


# --- functions and classes --------------------------------------------------------------------------------------------


def _function(form: Mapping[str, Any]) -> Any:
    name = form["config"]
    if not isinstance(name, str):
        raise TypeError(f"Expected 'config' to be a non-null str for a function, got {name!r}.")
    custom = custom_function(name, custom_objects_in_force())
    if custom is not None:
        return custom
    if name == "<lambda>":
        return _code(form)
    module = form.get("module")
    for part in _PARTS_WITH_FUNCTIONS:
        if module not in (None, "builtins", f"keras.{part}"):
            continue
        public = getattr(fastgru, part)
        if name in public.__all__ and name not in _NO_MODELING and not isinstance(getattr(public, name), type):
            _check_registered_name(form, name, f"keras.{part}.{name}")
            return getattr(public, name)
    raise TypeError(f"Could not locate function {name!r}; give it by custom_objects or register_keras_serializable.")


def _instance(form: Mapping[str, Any], module_objects: Mapping[str, Any]) -> Any:
    """The layer, loss, optimizer, ... of a form, built and compiled as it says."""
    name, module = form["class_name"], form.get("module")
    kind = _kind(module)
    custom = custom_object(form, {**module_objects, **custom_objects_in_force()})
    if custom is None and kind is not None:
        _check_registered_name(form, name, f"{module}.{name}")
    elif custom is None:
        raise TypeError(
            f"Could not locate class {name!r} of the module {module!r}; give it by custom_objects or decorate it with "
            "register_keras_serializable."
        )
    instance = registry.deserialize(form, kind or "", {name: custom} if custom is not None else None)
    build_config, compile_config = form.get("build_config"), form.get("compile_config")
    if build_config and not isinstance(instance, types.FunctionType) and not instance.built:
        instance.build_from_config(build_config)
    if compile_config:
        instance.compile_from_config(compile_config)
    return instance


def _kind(module: Any) -> str | None:
    """The kind of the registry that holds the classes of a module of Keras."""
    if not isinstance(module, str) or module.split(".")[0] != "keras":
        return None
    if module.startswith(registry.OPERATIONS):
        return registry.OPERATIONS
    kind = registry.MODELS if module == "keras" or module.startswith("keras.src.models") else module
    getattr(fastgru, kind.split(".")[1], None)  # which makes its classes known
    return kind


def _check_registered_name(form: Mapping[str, Any], name: str, path: str) -> None:
    registered_name = form.get("registered_name")
    if registered_name and registered_name not in (name, form["class_name"]):
        raise ValueError(
            f"registered_name={registered_name!r} stands in the config, but {path!r} resolved to a Keras built-in, "
            "which has no registered name; remove it from the config."
        )
