"""What a layer of one's own keeps in its attributes: layers and variables, also in lists, tuples and dicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["file_order", "only", "tracked", "tracked_by_name"]

_NESTS = (list, tuple, dict)

# what a layer or model has for itself: graphs, memory, and what it was compiled with
_INTERNAL = frozenset(
    {
        *("_weights", "nodes", "_workspaces", "_version", "_shapes", "_losses", "_init_arguments", "_cell"),
        *("_parameters", "_step", "_objective", "_compile_config", "history", "optimizer", "loss"),
    }
)


def tracked_by_name(layer: Any, kind: type) -> dict[str, list[Any]]:
    """For each attribute the layers or variables in it; they are looked for anew, for lists grow after they are set."""
    named = {}
    for name, value in vars(layer).items():
        if isinstance(value, kind):
            named[name] = [value]
        elif isinstance(value, _NESTS) and value and name not in _INTERNAL and (entries := list(_inside(value, kind))):
            named[name] = entries
    return named


def tracked(layer: Any, kind: type) -> list[Any]:
    """The layers or variables in the attributes of a layer, in the order in which these were set, each once."""
    entries = {id(entry): entry for listed in tracked_by_name(layer, kind).values() for entry in listed}
    entries.pop(id(layer), None)
    return list(entries.values())


def only(value: Any, kind: type, outer: tuple[int, ...] = ()) -> Any:
    """What an attribute holds without what is neither of that kind nor a list, tuple or dict, in which files count.

    A list that stands in itself is empty there; `outer` are those around the value, by their `id`.
    """
    if isinstance(value, kind):
        return value
    outer, cyclic = (*outer, id(value)), id(value) in outer
    if isinstance(value, dict):
        return {name: only(entry, kind, outer) for name, entry in _nested(value.items(), kind, cyclic)}
    return [only(entry, kind, outer) for _, entry in _nested(enumerate(value), kind, cyclic)]


def _nested(items: Iterable[tuple[Any, Any]], kind: type, cyclic: bool) -> list[tuple[Any, Any]]:
    return [] if cyclic else [(name, entry) for name, entry in items if isinstance(entry, (kind, *_NESTS))]


def file_order(name: str) -> tuple[bool, str]:
    """By which Keras sorts attributes in its weight files: by name, the private ones last."""
    return name.startswith("_"), name


def _inside(value: Any, kind: type, outer: tuple[int, ...] = ()) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    elif isinstance(value, _NESTS) and id(value) not in outer:
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _inside(entry, kind, (*outer, id(value)))
