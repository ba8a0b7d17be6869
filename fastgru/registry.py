"""Which class a Keras name stands for, and how an object becomes Keras's JSON and comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastgru.naming import snake_case, suggestion

_T = TypeVar("_T")
_classes: dict[str, dict[str, type]] = {}
_aliases: dict[str, dict[str, type]] = {}


def registered(kind: str, *aliases: str) -> Callable[[type[_T]], type[_T]]:
    """Class decorator: make a class known under Keras's public module, e.g. ``"keras.layers"``.

    It is found by its name, by that in snake case, and by the aliases.
    """

    def add(cls: type[_T]) -> type[_T]:
        _classes.setdefault(kind, {})[cls.__name__] = cls
        _aliases.setdefault(kind, {}).update(dict.fromkeys((snake_case(cls.__name__), *aliases), cls))
        return cls

    return add


def known(kind: str) -> dict[str, type]:
    """The classes registered under a Keras module, by name."""
    return dict(_classes.get(kind, {}))


def lookup(kind: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The class called `name` among those of a Keras module; ValueError with the nearest name otherwise."""
    if custom_objects and name in custom_objects:
        return custom_objects[name]
    classes, aliases = _classes.get(kind, {}), _aliases.get(kind, {})
    cls = classes.get(name) or aliases.get(name)
    if cls is None:
        choices = aliases if name.islower() else classes
        raise ValueError(f"{kind}: {name!r} is not known to fastgru; {suggestion(name, choices)}")
    return cls


def resolve(identifier: Any, kind: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """What Keras's ``get`` makes of an identifier: a name, a serialized config, a class, or the object itself.

    None stays None; ValueError for an unknown name and for anything that is not callable.
    """
    if isinstance(identifier, str):
        identifier = lookup(kind, identifier, custom_objects)
    elif isinstance(identifier, Mapping):
        identifier = deserialize(identifier, kind, custom_objects)
    if isinstance(identifier, type):
        identifier = identifier()
    if identifier is not None and not callable(identifier):
        raise ValueError(f"{kind}: expected a name, a config, a class or an object of it, got {identifier!r}.")
    return identifier


def serialize(obj: Any) -> dict[str, Any] | None:
    """Keras 3's JSON form of an object that has `get_config`; None stays None."""
    if obj is None:
        return None
    cls = type(obj)
    kind = next((kind for kind, classes in _classes.items() if classes.get(cls.__name__) is cls), None)
    return {
        "module": kind,
        "class_name": cls.__name__,
        "config": obj.get_config(),
        "registered_name": None if kind else cls.__name__,
    }


def deserialize(spec: Mapping[str, Any], kind: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object that ``{"class_name": ..., "config": ...}`` describes."""
    name, config = (spec.get("class_name"), spec.get("config") or {}) if isinstance(spec, Mapping) else (None, None)
    if not isinstance(name, str) or not isinstance(config, Mapping):
        raise ValueError(
            f"{kind}: expected a config of the form {{'class_name': ..., 'config': {{...}}}}, got {spec!r}."
        )
    return lookup(kind, name, custom_objects).from_config(dict(config))
