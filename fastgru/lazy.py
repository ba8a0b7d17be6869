"""Packages whose names are imported when they are first used: a process loads what it runs, and no more.

The stub of such a package, ``__init__.pyi``, is the one list of its names. Type checkers and editors read it, and so
does `exports`: each of its lines ``from MODULE import NAME as NAME`` says where a name lives.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from fastgru import moved

__all__ = ["exports"]

_EXPORT = re.compile(r"^from (\S+) import (\w+) as \2$", re.MULTILINE)


def exports(spec: ModuleSpec) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of the package whose stub lists its names (PEP 562)."""
    stub = spec.loader.get_data(str(Path(spec.origin or "").with_suffix(".pyi")))  # type: ignore[union-attr]
    homes = {name: module for module, name in _EXPORT.findall(stub.decode())}
    moved_attribute = moved.attributes(spec.name, stacklevel=3)

    def attribute(name: str) -> Any:
        if name not in homes:
            return moved_attribute(name)
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(importlib.import_module(spec.name), name, value)  # asked once
        return value

    names = sorted(homes)
    return attribute, lambda: names, names
