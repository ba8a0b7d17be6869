"""Classes and functions of users, by the names under which files and configs know them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any, TypeVar

__all__ = [
    "CustomObjectScope",
    "custom_function",
    "custom_object",
    "custom_object_scope",
    "custom_objects_in_force",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "register",
    "register_keras_serializable",
]

_T = TypeVar("_T")
_objects: dict[str, Any] = {}
_names: dict[int, tuple[Any, str]] = {}  # by the id of an object, which stands beside the name that is written
# where the classes of this package are that Keras has not, by the names that files have for them
_HOMES = {
    "fastgru>GraphModel": "fastgru.onnx.graph_model",
    "fastgru>PeepholeLSTMCell": "fastgru.onnx.peephole_cell",
    "fastgru>Sized": "fastgru.onnx.sized",
}
_scope: ContextVar[Mapping[str, Any]] = ContextVar("custom objects", default=MappingProxyType({}))


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[_T], _T]:
    """Decorator: make a class or a function known to all loading, as ``"package>name"``.

    Parameters
    ----------
    package : str
    name : str, optional
        Its own where absent.

    Raises
    ------
    ValueError
        A class has no `get_config`.
    """

    def add(custom: _T) -> _T:
        if inspect.isclass(custom) and not hasattr(custom, "get_config"):
            raise ValueError(f"Cannot register a class that does not have a get_config() method: {custom.__name__}.")
        register(f"{package}>{name or _own_name(custom)}", custom)
        return custom

    return add


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
    _objects[name] = layer
    _names[id(layer)] = layer, name


def get_custom_objects() -> dict[str, Any]:
    """The names and objects that are known to all loading: the live dict, which takes further ones."""
    return _objects


def get_registered_name(obj: Any) -> str:
    """The name under which a class or function was registered last, else its own."""
    _, name = _names.get(id(obj), (obj, None))
    return name or _own_name(obj)


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """What a name stands for in the scope, among what is registered, in the arguments; None where it is nowhere."""
    tables = (_scope.get(), _objects, custom_objects or {}, module_objects or {})
    return next((table[name] for table in tables if name in table), None)


class CustomObjectScope(AbstractContextManager["CustomObjectScope"]):
    """Inside, the names of `custom_objects` stand for its classes and functions, in this thread alone.

    Parameters
    ----------
    custom_objects : mapping, optional
        Names to classes and functions; they hide those of a scope around it.
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None = None) -> None:
        self.custom_objects = dict(custom_objects or {})
        self._before: list[Token[Mapping[str, Any]]] = []

    def __enter__(self) -> CustomObjectScope:
        self._before.append(_scope.set({**_scope.get(), **self.custom_objects}))
        return self

    def __exit__(self, *_: object) -> None:
        _scope.reset(self._before.pop())


custom_object_scope = CustomObjectScope


def custom_objects_in_force(custom_objects: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What names stand for: as the argument says, else the scope, else what is registered."""
    return {**_objects, **_scope.get(), **(custom_objects or {})}


def custom_object(form: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> Any:
    """The user's class for a JSON form, whose names may follow a package and a ``>``; None where there is none.

    A class of this package that Keras has not is imported where a form names it.
    """
    names = list(_names_in(form))
    custom = next((custom_objects[name] for name in names if name in custom_objects), None)
    home = next((name for name in names if name in _HOMES), None)
    if custom is not None or home is None:
        return custom
    return getattr(importlib.import_module(_HOMES[home]), home.rpartition(">")[2])


def custom_function(name: str, custom_objects: Mapping[str, Any]) -> Any:
    """The user's function of a name; Keras up to 3.6 left out its package, before which a ``>`` stands."""
    for known in (name, name.rsplit(">", 1)[-1]):
        if known in custom_objects:
            return custom_objects[known]
    return next((custom for known, custom in custom_objects.items() if known.endswith(f">{name}")), None)


def _names_in(form: Mapping[str, Any]) -> Iterator[str]:
    names = [name for name in (form.get("class_name"), form.get("registered_name")) if isinstance(name, str)]
    yield from names
    yield from (name.rsplit(">", 1)[-1] for name in names)


def _own_name(custom: Any) -> str:
    return str(getattr(custom, "__name__", type(custom).__name__))
