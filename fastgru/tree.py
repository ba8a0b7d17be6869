"""Nested lists, tuples and dicts, in Keras's order: dicts by their sorted keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

__all__ = [
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


def is_nested(structure: Any) -> bool:
    """Whether it is a list, a tuple or a dict."""
    return isinstance(structure, (list, tuple, dict))


def _keys(structure: dict[Any, Any]) -> list[Any]:
    """The keys in the order of the leaves: sorted, but for a dict that says that it is ordered."""
    return list(structure) if isinstance(structure, OrderedDict) else sorted(structure)


def flatten(structure: Any) -> list[Any]:
    """What the structure holds, in a row."""
    if isinstance(structure, dict):
        structure = [structure[key] for key in _keys(structure)]
    elif not isinstance(structure, (list, tuple)):
        return [structure]
    return [leaf for entry in structure for leaf in flatten(entry)]


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """What the structure holds, each with the keys and numbers that lead to it, in a row."""
    if not is_nested(structure):
        return [((), structure)]
    keys = _keys(structure) if isinstance(structure, dict) else range(len(structure))
    return [((key, *path), leaf) for key in keys for path, leaf in flatten_with_path(structure[key])]


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """The leaves, in the order of `flatten`, in the places of what the structure holds.

    Raises
    ------
    ValueError
        There are more or fewer of them than places.
    """
    leaves = list(flat_sequence) if is_nested(flat_sequence) else [flat_sequence]
    count = len(flatten(structure))
    if count != len(leaves):
        raise ValueError(f"pack_sequence_as: expected {count} leaves for the structure, got {len(leaves)}.")
    return _filled(structure, iter(leaves))


def _filled(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        filled = {key: _filled(structure[key], leaves) for key in _keys(structure)}
        return _remade(structure, [filled[key] for key in structure])
    if isinstance(structure, (list, tuple)):
        return _remade(structure, [_filled(entry, leaves) for entry in structure])
    return next(leaves)


def _remade(structure: Any, entries: list[Any]) -> Any:
    """A structure of the same type with other entries, in their order."""
    if type(structure) is tuple or type(structure) is list:
        return type(structure)(entries)
    if isinstance(structure, dict):
        pairs = zip(structure, entries, strict=True)
        return type(structure)(pairs) if type(structure) is not dict else dict(pairs)
    if hasattr(structure, "_fields"):
        return type(structure)(*entries)
    return type(structure)(entries)


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """What `func` makes of the leaves in each place of the structures, in the form of the first.

    Parameters
    ----------
    func : callable
    *structures
        Of the same form.
    none_is_leaf : bool
        Whether `func` is called with None; else it stays None.
    """
    if not callable(func):
        raise TypeError(f"map_structure: expected a function first, got {func!r}.")
    if not structures:
        raise ValueError("map_structure: expected a structure after the function, got none.")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    leaves = [
        None if not none_is_leaf and all(leaf is None for leaf in row) else func(*row)
        for row in zip(*map(flatten, structures), strict=True)
    ]
    return _filled(structures[0], iter(leaves))


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """What `func` makes of the parts of the structures in the places where the first one has its leaves.

    Parameters
    ----------
    shallow_structure
    func : callable
        Is called with whatever the structures have there, nests too.
    *structures
        As deep as the first one, or deeper.
    """
    if not callable(func):
        raise TypeError(f"map_structure_up_to: expected a function second, got {func!r}.")
    if not structures:
        raise TypeError("map_structure_up_to: expected a structure after the function, got none.")
    rows = zip(*(_parts_at(shallow_structure, one) for one in structures), strict=True)
    return pack_sequence_as(shallow_structure, [func(*row) for row in rows])


def _parts_at(shallow: Any, structure: Any) -> list[Any]:
    """What a structure has in the places of the leaves of a shallower one."""
    if not is_nested(shallow):
        return [structure]
    both = isinstance(shallow, dict) and isinstance(structure, dict)
    same = both or type(shallow) is type(structure)
    if not same or len(shallow) != len(structure) or (both and sorted(shallow) != sorted(structure)):
        raise ValueError(f"map_structure_up_to: expected a structure of the form {shallow!r}, got {structure!r}.")
    keys = _keys(shallow) if both else range(len(shallow))
    return [part for key in keys for part in _parts_at(shallow[key], structure[key])]


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """What `func` makes of each shape, a tuple or list of numbers and None, in the form of the structure."""
    if not callable(func):
        raise TypeError(f"map_shape_structure: expected a function first, got {func!r}.")
    if isinstance(structure, (list, tuple)) and all(size is None or isinstance(size, int) for size in structure):
        return func(tuple(structure))
    if isinstance(structure, dict):
        return _remade(structure, [map_shape_structure(func, structure[key]) for key in structure])
    if isinstance(structure, (list, tuple)):
        return _remade(structure, [map_shape_structure(func, entry) for entry in structure])
    raise ValueError(f"map_shape_structure: expected shapes, nested in lists, tuples and dicts, got {structure!r}.")


def assert_same_structure(a: Any, b: Any, check_types: bool = True) -> None:
    """ValueError where two structures hold their leaves in different places.

    Parameters
    ----------
    a, b
    check_types : bool
        Whether a list and a tuple differ.
    """
    nests = is_nested(a), is_nested(b)
    same = nests[0] == nests[1]
    if same and nests[0]:
        both = isinstance(a, dict) and isinstance(b, dict)
        if check_types or isinstance(a, dict) or isinstance(b, dict):
            same = both or type(a) is type(b)
        same = same and len(a) == len(b) and (not both or sorted(a) == sorted(b))
    if not same:
        raise ValueError(f"assert_same_structure: expected two structures of one form, got {a!r} and {b!r}.")
    if isinstance(a, dict):
        a, b = ([nest[key] for key in sorted(nest)] for nest in (a, b))
    if nests[0]:
        for one, other in zip(a, b, strict=True):
            assert_same_structure(one, other, check_types)


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """The structure with `func` of each part in its place, where it returns anything but None.

    Parameters
    ----------
    func : callable
        Is called with nests and leaves.
    structure
    top_down : bool
        Whether a nest comes before its entries, which are left alone where it was replaced.
    """
    if top_down:
        replaced = func(structure)
        if replaced is not None:
            return replaced
    rebuilt = structure
    if isinstance(structure, dict):
        rebuilt = _remade(structure, [traverse(func, structure[key], top_down) for key in structure])
    elif isinstance(structure, (list, tuple)):
        rebuilt = _remade(structure, [traverse(func, entry, top_down) for entry in structure])
    if top_down:
        return rebuilt
    replaced = func(rebuilt)
    return rebuilt if replaced is None else replaced


def lists_to_tuples(structure: Any) -> Any:
    """The structure with a tuple in the place of each list."""

    def converted(part: Any) -> Any:
        return tuple(part) if isinstance(part, list) else None

    return traverse(converted, structure, top_down=False)


def __dir__() -> list[str]:
    return __all__
