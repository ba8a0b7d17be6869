"""Which class a Keras name stands for, and how an object becomes Keras's JSON and comes back."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from fastgru.naming import snake_case, suggestion
from fastgru.object_registration import (
    CustomObjectScope,
    custom_object,
    custom_objects_in_force,
    get_registered_name,
)

__all__ = [
    "Identifier",
    "deserialize",
    "deserialize_layer",
    "deserialize_nested",
    "from_class",
    "function_form",
    "is_known",
    "known",
    "lookup",
    "object_form",
    "offer",
    "registered",
    "resolve",
    "serialize",
]

#: what Keras's ``get`` functions take: a name, a JSON form, a class, a function or an object that is called
Identifier = str | Mapping[str, Any] | Callable[..., Any]

LAYERS, MODELS, OPERATIONS = "keras.layers", "keras.models", "keras.src.ops"  # where Keras has them

_T = TypeVar("_T")
_classes: dict[str, dict[str, type]] = {}
_aliases: dict[str, dict[str, type]] = {}
# of this one's, those that import the classes of a Keras module when they are asked for, and their names if not all
_packages: dict[str, tuple[str, Sequence[str] | None]] = {}
_modules: dict[type, str] = {}  # Keras's public module of each class of this package


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


def offer(kind: str, package: str, names: Sequence[str] | None = None) -> None:
    """Let a package's names, all or these, be classes of a Keras module: one is imported when somebody looks it up."""
    _packages[kind] = package, names


def _imported(kind: str, name: str | None = None) -> None:
    """Import the class of that name, else all of the kind; only names that a package offers."""
    if kind in _packages:
        home, names = _packages[kind]
        package = importlib.import_module(home)
        names = package.__all__ if names is None else names
        named = [one for one in names if one == name] or [one for one in names if snake_case(one) == name]
        for offered in named or names:
            getattr(package, offered)


def known(kind: str) -> dict[str, type]:
    """The classes registered under a Keras module, by name."""
    _imported(kind)
    return dict(_classes.get(kind, {}))


def lookup(kind: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The class called `name` among those of a Keras module; ValueError with the nearest name otherwise."""
    custom = custom_objects_in_force(custom_objects)
    if name in custom:
        return custom[name]
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


# --- Keras's JSON -----------------------------------------------------------------------------------------------------


def serialize(obj: Any) -> Any:
    """Keras 3's JSON form of objects with `get_config`, arrays, functions, slices, and of lists and dicts of them.

    Numbers, texts and None stay what they are. A class that is not of this package says by `serialized` what its form
    is, or gets that of `object_form`. Functions stand under their names, without their code.

    Raises
    ------
    TypeError
        For an object without `get_config` that is no function.
    """
    if obj is None or isinstance(obj, (str, int, float)):
        return obj
    if isinstance(obj, (list, tuple)):
        entries = [serialize(entry) for entry in obj]
        return tuple(entries) if isinstance(obj, tuple) else entries
    if isinstance(obj, Mapping):
        return {key: serialize(entry) for key, entry in obj.items()}
    if isinstance(obj, type):
        # which Keras cannot write where it is one of its own; its name in snake case is what an object of it is called
        return snake_case(obj.__name__) if obj in _modules else function_form(obj)
    if hasattr(obj, "serialized"):
        return obj.serialized()
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode()}}
    if isinstance(obj, slice):
        ends = {"start": obj.start, "stop": obj.stop, "step": obj.step}
        return {"class_name": "__slice__", "config": serialize(ends)}
    if obj is ...:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, np.dtype):
        return obj.name
    if hasattr(obj, "get_config"):
        return object_form(obj)
    if hasattr(obj, "__array__"):
        return _array_form(obj)
    if callable(obj):
        return function_form(obj)
    raise TypeError(f"Cannot serialize {obj!r} of type {type(obj).__name__}: its class must define get_config.")


def object_form(obj: Any, build_config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Keras 3's JSON form of an object that has `get_config`.

    A class of a user's keeps its own module, whatever its name is, as in Keras. What the object was built with stands
    beside its config. The form of a layer is `Layer.serialized`.
    """
    cls = type(obj)
    module, name = _modules.get(cls), None
    if module is None:
        # as in Keras, which writes no module for a class of the program itself
        module, name = None if cls.__module__ == "__main__" else cls.__module__, get_registered_name(cls)
    config = serialize(obj.get_config())
    form = {"module": module, "class_name": cls.__name__, "config": config, "registered_name": name}
    return form if build_config is None else {**form, "build_config": serialize(build_config)}


def function_form(function: Any) -> dict[str, Any]:
    """Keras 3's JSON form of a function or a class: its name."""
    kind = "type" if isinstance(function, type) else "function"
    name = get_registered_name(function)
    return {"module": "builtins", "class_name": kind, "config": name, "registered_name": kind}


def _array_form(array: Any) -> Any:
    """Keras's form of an array of numpy or a tensor of another library; numpy's numbers become Python's."""
    numbers = np.asarray(array)
    of_numpy = isinstance(array, (np.ndarray, np.generic))
    if of_numpy and not numbers.ndim:
        return numbers.item()
    config = {"value": numbers.tolist(), "dtype": numbers.dtype.name}
    return {"class_name": "__numpy__" if of_numpy else "__tensor__", "config": config}


def deserialize(form: Mapping[str, Any], kind: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object that ``{"class_name": ..., "config": ...}`` describes, of a user's class or of one of `kind`."""
    name, config = (form.get("class_name"), form.get("config") or {}) if isinstance(form, Mapping) else (None, None)
    if not isinstance(name, str) or not isinstance(config, Mapping):
        raise ValueError(
            f"{kind}: expected a config of the form {{'class_name': ..., 'config': {{...}}}}, got {form!r}. Expected a "
            "dictionary containing a 'config' key."
        )
    cls = custom_object(form, custom_objects_in_force(custom_objects))
    with CustomObjectScope(custom_objects):
        return from_class(lookup(kind, name) if cls is None else cls, config)


def from_class(cls: Any, config: Mapping[str, Any]) -> Any:
    """The object of a class that a config describes; a function, which has no config, itself."""
    if hasattr(cls, "from_config"):
        return cls.from_config(dict(config))
    if isinstance(cls, type):
        raise TypeError(f"Unable to reconstruct an instance of {cls.__name__}: its class has no from_config() method.")
    return cls


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


def deserialize_nested(value: Any, get: Callable[[Any], Any]) -> Any:
    """What `serialize` was handed, with `get` of a form in the place of each form."""
    if isinstance(value, Mapping):
        if "class_name" in value:
            return get(value)
        return {key: deserialize_nested(entry, get) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [deserialize_nested(entry, get) for entry in value]
    return value
