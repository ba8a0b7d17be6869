"""Which class a Keras name stands for, and how an object becomes Keras's JSON and comes back."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, overload

from fastgru.naming import snake_case, suggestion

__all__ = [
    "Identifier",
    "custom_object",
    "deserialize",
    "deserialize_layer",
    "deserialize_nested",
    "is_known",
    "known",
    "lookup",
    "offer",
    "registered",
    "registered_name",
    "registrations",
    "resolve",
    "serialize",
    "serialize_nested",
]

#: what Keras's ``get`` functions take: a name, a JSON form, a class, a function or an object that is called
Identifier = str | Mapping[str, Any] | Callable[..., Any]

LAYERS, MODELS, OPERATIONS = "keras.layers", "keras.models", "keras.src.ops"  # where Keras has them

_T = TypeVar("_T")
_classes: dict[str, dict[str, type]] = {}
_aliases: dict[str, dict[str, type]] = {}
_packages: dict[str, str] = {}  # of this one's, those that import the classes of a Keras module when they are asked for
_modules: dict[type, str] = {}  # Keras's public module of each class of this package
#: classes and functions of users by the names that stand in files, see `fastgru.saving.register`
registrations: dict[str, Any] = {}


def registered(kind: str, *aliases: str) -> Callable[[type[_T]], type[_T]]:
    """Class decorator: make a class known under Keras's public module, e.g. ``"keras.layers"``.

    It is known by its name, by that in snake case, and by the aliases. A class from outside this package is known, too,
    but its JSON form names its own module.
    """

    def add(cls: type[_T]) -> type[_T]:
        _classes.setdefault(kind, {})[cls.__name__] = cls
        _aliases.setdefault(kind, {}).update(dict.fromkeys((snake_case(cls.__name__), *aliases), cls))
        if cls.__module__.split(".")[0] == __name__.split(".")[0]:
            _modules[cls] = kind
        return cls

    return add


def offer(kind: str, package: str) -> None:
    """Let a package's names be classes of a Keras module: those are imported by which somebody looks one up."""
    _packages[kind] = package


def _imported(kind: str, name: str | None = None) -> None:
    """Import the class of that name, else all of the kind; only names that the package itself lists."""
    if kind in _packages:
        package = importlib.import_module(_packages[kind])
        for offered in [one for one in package.__all__ if name in (one, snake_case(one))] or package.__all__:
            getattr(package, offered)


def known(kind: str) -> dict[str, type]:
    """The classes registered under a Keras module, by name."""
    _imported(kind)
    return dict(_classes.get(kind, {}))


def lookup(kind: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The class called `name` among those of a Keras module; ValueError with the nearest name otherwise."""
    if custom_objects and name in custom_objects:
        return custom_objects[name]
    cls = _class(kind, name)
    if cls is None:
        choices = (_aliases if name.islower() else _classes).get(kind, {})
        raise ValueError(f"{kind}: {name!r} is not known to fastgru; {suggestion(name, choices)}")
    return cls


def is_known(kind: str, name: str) -> bool:
    """Whether a Keras module has a class of that name or alias."""
    return _class(kind, name) is not None


def _class(kind: str, name: str, imports: bool = True) -> type | None:
    cls = _classes.get(kind, {}).get(name) or _aliases.get(kind, {}).get(name)
    if cls is None and imports:
        _imported(kind, name)
        return _class(kind, name, imports=False)
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


# --- objects of users -------------------------------------------------------------------------------------------------


def registered_name(custom: Any) -> str:
    """The name under which a user's class or function was registered last, else that which Python gives it."""
    names = (name for name in reversed(registrations) if registrations[name] is custom)
    return next(names, None) or str(getattr(custom, "__name__", type(custom).__name__))


def custom_object(form: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> Any:
    """The user's class for a JSON form, whose names may follow a package and a ``>``; None where there is none."""
    return next((custom_objects[name] for name in _names(form) if name in custom_objects), None)


def _names(form: Mapping[str, Any]) -> Iterator[str]:
    names = [name for name in (form.get("class_name"), form.get("registered_name")) if isinstance(name, str)]
    yield from names
    yield from (name.rsplit(">", 1)[-1] for name in names)


# --- Keras's JSON -----------------------------------------------------------------------------------------------------


@overload
def serialize(obj: None, build_config: Mapping[str, Any] | None = None) -> None: ...
@overload
def serialize(obj: Any, build_config: Mapping[str, Any] | None = None) -> dict[str, Any]: ...
def serialize(obj: Any, build_config: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Keras 3's JSON form of an object that has `get_config`; None stays None.

    A class of a user's keeps its own module, whatever its name is, as in Keras. What the object was built with stands
    beside its config. The form of a layer is `Layer.serialized`.
    """
    if obj is None:
        return None
    cls = type(obj)
    module, name = _modules.get(cls), None
    if module is None:
        # as in Keras, which writes no module for a class of the program itself
        module, name = None if cls.__module__ == "__main__" else cls.__module__, registered_name(cls)
    form = {"module": module, "class_name": cls.__name__, "config": obj.get_config(), "registered_name": name}
    return form if build_config is None else {**form, "build_config": build_config}


def deserialize(form: Mapping[str, Any], kind: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object that ``{"class_name": ..., "config": ...}`` describes, of a user's class or of one of `kind`."""
    name, config = (form.get("class_name"), form.get("config") or {}) if isinstance(form, Mapping) else (None, None)
    if not isinstance(name, str) or not isinstance(config, Mapping):
        raise ValueError(
            f"{kind}: expected a config of the form {{'class_name': ..., 'config': {{...}}}}, got {form!r}."
        )
    cls = custom_object(form, {**registrations, **(custom_objects or {})})
    cls = lookup(kind, name) if cls is None else cls
    # a model hands the user's objects on to its layers
    return cls.from_config(dict(config), *([custom_objects] if kind == MODELS else []))


def deserialize_layer(form: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer, model or operation that a JSON form describes; what is an object already stays what it is."""
    if hasattr(form, "get_config"):
        return form
    name, module = (form.get("class_name"), form.get("module")) if isinstance(form, Mapping) else (None, None)
    kind = LAYERS
    if isinstance(module, str) and module.startswith(OPERATIONS):
        kind = OPERATIONS
    elif name in ("Model", *known(MODELS)):
        kind = MODELS
    return deserialize(form, kind, custom_objects)


def serialize_nested(value: Any) -> Any:
    """`serialize` for all objects and functions in lists, tuples and mappings; numbers and texts stay what they are."""
    if isinstance(value, Mapping):
        return {key: serialize_nested(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [serialize_nested(entry) for entry in value]
    if isinstance(value, type):
        # which Keras cannot write; its name in snake case is what an object of it is called by itself
        return snake_case(value.__name__) if value in _modules else registered_name(value)
    if hasattr(value, "get_config"):
        return serialize(value)
    if callable(value):
        name = registered_name(value)
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    return value


def deserialize_nested(value: Any, get: Callable[[Any], Any]) -> Any:
    """What `serialize_nested` was handed, with `get` of a form in the place of each form."""
    if isinstance(value, Mapping):
        if "class_name" in value:
            return get(value)
        return {key: deserialize_nested(entry, get) for key, entry in value.items()}
    if isinstance(value, list):
        return [deserialize_nested(entry, get) for entry in value]
    return value
