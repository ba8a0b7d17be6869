"""Lambda layers of files: their code is never run, a function that the user gives for it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgru.object_registration import custom_function
from fastgru.saving.report import Report
from fastgru.saving.stored import Config
from fastgru.serialization import deserialize_keras_object

LAMBDA = "Lambda"
_OF_KERAS_2 = ("function_type", "module", "output_shape_type", "output_shape_module")


def function_name(config: Config) -> str | None:
    """The name of a Lambda's function; None where the file holds its code."""
    function = config.get("function")
    if isinstance(function, Mapping) and function.get("class_name") == "function":
        function = function.get("config")
    is_name = isinstance(function, str) and config.get("function_type", "function") == "function"
    return str(function) if is_name else None


def function_of(config: Config, custom_objects: Mapping[str, Any], report: Report) -> Any:
    """A Lambda's function: the user's by the name of the layer or its own, or one of Keras; else None."""
    for name in (config.get("name"), function_name(config)):
        function = custom_function(name, custom_objects) if isinstance(name, str) else None
        if callable(function) and not isinstance(function, type):
            report.decide("Its function is the one that was given, not that of the file", config.get("name"))
            return function
    try:
        function = deserialize_keras_object(config.get("function"))
    except (TypeError, ValueError):
        return None
    return function if callable(function) else None


def with_function(config: Config, function: Any) -> Config:
    """The config with a function in the place of its name or code, and without the code of its output's shape."""
    options = {key: value for key, value in config.items() if key not in _OF_KERAS_2}
    if not _is_shape(options.get("output_shape")):
        options.pop("output_shape", None)
    arguments = deserialize_keras_object(options.pop("arguments", None) or {})
    return {**options, "function": function, "arguments": arguments}


def output_shape(config: Config) -> list[int | None] | None:
    """The shape of a Lambda's outputs as far as the file says it, with the batch axis first."""
    shape = config.get("output_shape")
    return [None, *shape] if _is_shape(shape) and isinstance(shape, (list, tuple)) else None


def _is_shape(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(one is None or isinstance(one, int) for one in value)


def remedy(config: Config) -> str:
    """How to open a Lambda, for an error."""
    names = [repr(name) for name in (config.get("name"), function_name(config)) if name]
    return f"give its function with custom_objects={{{names[0]}: ...}}"
