"""What a layer of one's own keeps in its attributes: layers and variables, also in lists, tuples and dicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["tracked", "tracked_by_name"]

# what a layer or model has for itself: graphs, memory, and what it was compiled with
_INTERNAL = frozenset(
    {
        *("_weights", "nodes", "_workspaces", "_version", "_shapes", "_losses", "_init_arguments"),
        *("_parameters", "_step", "_objective", "_compile_config", "history", "optimizer", "loss"),
    }
)


def tracked_by_name(layer: Any, kind: type) -> dict[str, list[Any]]:
    """For each attribute the layers or variables in it; they are looked for anew, for lists grow after they are set."""
    by_name = {name: list(_inside(value, kind)) for name, value in vars(layer).items() if name not in _INTERNAL}
    return {name: entries for name, entries in by_name.items() if entries}


def tracked(layer: Any, kind: type) -> list[Any]:
    """The layers or variables in the attributes of a layer, in the order in which these were set, each once."""
    entries = (entry for listed in tracked_by_name(layer, kind).values() for entry in listed)
    return [entry for entry in {id(entry): entry for entry in entries}.values() if entry is not layer]


def _inside(value: Any, kind: type) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _inside(entry, kind)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _inside(entry, kind)
