"""Values as a text and arrays, and back: what a checkpoint holds, without pickle.

Numbers, text, lists and dicts are what they are in JSON. The rest is a dict with one entry that says what it is:
``{"array": 3}`` is the fourth of the arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from fastgru.layers.weight import Weight, announce_reader
from fastgru.metrics.variable import Variable
from fastgru.types import Array

__all__ = ["Arrays", "packed", "packed_attributes", "restore_attributes", "unpacked"]


class Arrays(list[Array]):
    """The arrays of a checkpoint.

    Attributes
    ----------
    places : dict
        For each variable of a metric, by its id, which array it is: one may stand in several places.
    variables : dict
        Those that were made again, by their arrays.
    """

    def __init__(self, arrays: Iterable[Array] = ()) -> None:
        super().__init__(arrays)
        self.places: dict[int, int] = {}
        self.variables: dict[int, Variable] = {}


GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
_SEQUENCES: dict[str, Callable[[Iterable[Any]], Any]] = {"tuple": tuple, "set": set}


def packed(value: Any, arrays: Arrays) -> Any:
    """A value as JSON takes it, its arrays appended to `arrays`: copies, but for those of weights, which nobody writes.

    Raises
    ------
    TypeError
        It holds something that is no data.
    """
    if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, Variable):
        if id(value) not in arrays.places:
            arrays.places[id(value)] = _appended(value.numpy(), arrays)
        return {"variable": [arrays.places[id(value)], value.name, value.path]}
    if isinstance(value, Weight):
        announce_reader()
        return {"weight": _appended(value.value, arrays)}
    if isinstance(value, np.generic):
        return {"number": _appended(np.asarray(value), arrays)}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcSU":
        return {"array": _appended(value.copy(), arrays)}
    if isinstance(value, list):
        return [packed(part, arrays) for part in value]
    if isinstance(value, Mapping):
        return {"dict": [[packed(name, arrays), packed(part, arrays)] for name, part in value.items()]}
    if type(value) in (tuple, set):
        return {type(value).__name__: [packed(part, arrays) for part in value]}
    if isinstance(value, np.random.Generator):
        return {"generator": packed(value.bit_generator.state, arrays)}
    raise TypeError(f"{type(value).__name__} is no data.")


def _appended(array: Array, arrays: Arrays) -> int:
    arrays.append(array)
    return len(arrays) - 1


def unpacked(node: Any, arrays: Arrays, current: Any = None) -> Any:
    """The value that `packed` took; a weight or a generator that stands in its place already is set to it.

    Raises
    ------
    ValueError, KeyError, IndexError, TypeError
        The text is none of `packed`'s.
    """
    if isinstance(node, list):
        owned = current if isinstance(current, list) and len(current) == len(node) else [None] * len(node)
        return [unpacked(part, arrays, mine) for part, mine in zip(node, owned, strict=True)]
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "array":
        return arrays[content]
    if kind == "number":
        return arrays[content][()]
    if kind == "dict":
        entries = current if isinstance(current, Mapping) else {}
        pairs = [(unpacked(name, arrays), part) for name, part in content]
        return {name: unpacked(part, arrays, entries.get(name)) for name, part in pairs}
    if kind == "weight":
        current.assign(arrays[content])
        return current
    if kind == "variable":
        place, name, path = content
        if isinstance(current, Variable):
            current.assign(arrays[place])
            return current
        # a metric may make its variables when it sees the first batch
        return arrays.variables.setdefault(place, Variable(arrays[place], name, path))
    if kind == "generator":
        state = unpacked(content, arrays)
        if isinstance(current, np.random.Generator):
            current.bit_generator.state = state
            return current
        if state["bit_generator"] not in GENERATORS:
            raise ValueError(f"{state['bit_generator']!r} is no generator of numpy.")
        bits = getattr(np.random, state["bit_generator"])()
        bits.state = state
        return np.random.Generator(bits)
    return _SEQUENCES[kind](unpacked(part, arrays) for part in content)


def packed_attributes(owner: Any, arrays: Arrays) -> dict[str, Any]:
    """Those attributes of an object that are data, packed."""
    state = {}
    for name, value in vars(owner).items():
        count = len(arrays)
        try:
            state[name] = packed(value, arrays)
        except TypeError:  # a function, a layer: no state, but what works on it
            del arrays[count:]
            arrays.places = {key: place for key, place in arrays.places.items() if place < count}
    return state


def restore_attributes(owner: Any, state: Mapping[str, Any], arrays: Arrays) -> None:
    """Give an object the attributes that were packed."""
    for name, node in state.items():
        setattr(owner, name, unpacked(node, arrays, getattr(owner, name, None)))
