"""JSON of a file, read with care."""

from __future__ import annotations

import json
import re
from typing import Any

from fastgru.saving.report import reading
from fastgru.saving.stored import Config, Version

MAX_DEPTH = 100
MAX_LAYERS = 2_000
MAX_TEXT = 1 << 24  # as Python's objects JSON takes up to thirty times its length
COUNTED = ("layers", "inbound_nodes", "cells")


def parsed(text: str | bytes | None, file: str, place: str) -> Config | None:
    """A JSON object of a file; None where there is no text."""
    if text is None:
        return None
    with reading(file, place):
        if len(text) > MAX_TEXT:
            raise ValueError(f"is a text of {len(text)} bytes; at most {MAX_TEXT} are accepted")
        value = json.loads(text, object_hook=_without_wrapping)
        if not isinstance(value, dict):
            raise ValueError(f"expected a JSON object, got {type(value).__name__}")
        _check_depth(value)
        return value


def version(text: str | None) -> Version:
    """(major, minor) of a Keras version such as ``2.2.4-tf``; Keras 1 did not write one."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})", text or "", re.ASCII)
    return (int(match[1]), int(match[2])) if match else (1, 0)


def _without_wrapping(form: Config) -> Any:
    """Keras 2 wrapped tuples, shapes and numpy arrays; lists and numbers say the same."""
    if form.get("class_name") in ("__tuple__", "TensorShape") and "items" in form:
        return form["items"]
    return form["value"] if form.get("type") == "ndarray" and "value" in form else form


def _check_depth(outermost: Any) -> None:
    """ValueError where JSON is nested too deeply, or describes too many layers, to be gone through safely."""
    stack, layers = [(outermost, 0)], 0
    while stack:
        value, depth = stack.pop()
        if depth > MAX_DEPTH or layers > MAX_LAYERS:
            raise ValueError(f"is nested deeper than {MAX_DEPTH} or describes more than {MAX_LAYERS} layers or calls")
        if isinstance(value, dict):
            layers += sum(len(value[key]) for key in COUNTED if isinstance(value.get(key), list))
            stack += [(entry, depth + 1) for entry in value.values()]
        elif isinstance(value, list):
            stack += [(entry, depth + 1) for entry in value if isinstance(entry, (dict, list))]
