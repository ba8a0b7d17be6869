"""Keras 3's `.weights.h5`, which is also the weights member of a `.keras` file.

Arrays stand under the path of attributes that leads to their owner: `layers/gru/cell/vars/0`. The entries of a list
are not called by the layers' names but by their classes, numbered in order: `gru`, `gru_1`, `dense`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastgru.layers.layer import Layer
from fastgru.layers.weight import Weight
from fastgru.naming import snake_case
from fastgru.saving.stored import Entry, StoredArray, StoredModel, writer

if TYPE_CHECKING:
    import h5py

OPTIMIZER = "optimizer"
# the name of a model's list of layers in Keras 2.13 and 2.14
OLD_LAYERS = "_layer_checkpoint_dependencies"

# the group of a list or dict in a list or dict of an attribute
CONTAINER = "container"

Place = tuple[str, Layer, list[Weight]]


def stored_weights(
    file: str, arrays: Iterable[tuple[list[str], StoredArray]], fastgru_version: str | None = None
) -> StoredModel:
    """The weights in an open `.weights.h5` file, or in the files that one was cut into.

    Parameters
    ----------
    file : str
        Its name, for error messages.
    arrays : iterable
        All arrays, each with the names of the groups on the way to it and its own.
    fastgru_version : str, optional
        Which fastgru wrote it, if one did.
    """
    by_owner: dict[str, dict[int, StoredArray]] = {}
    named: dict[str, dict[str, StoredArray]] = {}
    for names, array in arrays:
        path = path_of("/".join(names))
        if len(path) > 1 and path[-2] == "vars" and path[-1].isdecimal() and len(path[-1]) < 10:
            by_owner.setdefault("/".join(path[:-2]), {})[int(path[-1])] = array
        elif len(path) > 1 and path[-2] == "vars":
            named.setdefault("/".join(path[:-2]), {})[path[-1]] = array
    ordered = {owner: [array for _, array in sorted(numbered.items())] for owner, numbered in by_owner.items()}
    return StoredModel(
        file=file,
        format=".weights.h5",
        written_by=f"{writer(fastgru_version, 'Keras 3')} (weights alone)",
        arrays=ordered,
        optimizer_arrays=lambda: ordered.get(OPTIMIZER, []),
        weights_file=file,
        named_arrays=named,
    )


def path_of(name: str) -> list[str]:
    """The parts of a path in a file, in today's words."""
    # Windows wrote whole paths with backslashes as the name of one group
    return ["layers" if part == OLD_LAYERS else part for part in name.replace("\\", "/").split("/")]


def owners(
    model: Layer, stored: StoredModel | None = None, entries: Mapping[int, Sequence[Entry]] | None = None
) -> Iterator[tuple[str, Layer]]:
    """Each layer that has files or arrays beside its weights (`TokenLayer`), with its path as of `places`."""
    for path, layer, _ in _places(model, "", _groups(stored.arrays if stored else ()), set(), entries or {}):
        if hasattr(layer, "restoring"):
            yield path, layer


def places(
    model: Layer, stored: Iterable[str] = (), entries: Mapping[int, Sequence[Entry]] | None = None
) -> Iterator[Place]:
    """Each owner of weights with its path in the file, in Keras's order; a shared layer counts where it comes first.

    Parameters
    ----------
    model : Layer
    stored : iterable of str
        The paths in a file, where one is read: its numbers may skip, and then entries are matched by their order.
    entries : mapping, optional
        For a model, by its `id`, how the file lists its layers.
    """
    # of a layer without weights there is nothing to place
    yield from (place for place in _places(model, "", _groups(stored), set(), entries or {}) if place[2])


def weight_names(weights: Sequence[Weight]) -> list[str]:
    """The names of one owner's weights, with numbers where they are alike."""
    names = [weight.name for weight in weights]
    return [f"{name}_{names[:at].count(name)}" if name in names[:at] else name for at, name in enumerate(names)]


def _groups(stored: Iterable[str]) -> set[str]:
    """The groups on the way to each of these paths, and they themselves."""
    groups: set[str] = set()
    for path in stored:
        parts = path.split("/")
        groups.update("/".join(parts[:end]) for end in range(1, len(parts) + 1))
    return groups


def _places(
    layer: Layer, path: str, groups: set[str], visited: set[int], entries: Mapping[int, Sequence[Entry]]
) -> Iterator[Place]:
    if id(layer) in visited:
        return
    visited.add(id(layer))
    for attribute, item in layer.file_items():
        inner = _join(path, attribute)
        if isinstance(item, Layer):
            yield from _places(item, inner, groups, visited, entries)
            continue
        weights = [entry for entry in item if isinstance(entry, Weight)]
        # within one owner trainable weights come first
        yield inner, layer, sorted(weights, key=lambda weight: not weight.trainable)
        listed = entries.get(id(layer)) if attribute == "layers" else None
        yield from _places_in(_entries_of(item) if listed is None else listed, inner, groups, visited, entries)


def _places_in(
    listed: Sequence[Entry], path: str, groups: set[str], visited: set[int], entries: Mapping[int, Sequence[Entry]]
) -> Iterator[Place]:
    for (_, inside, entry), name in zip(listed, _names(listed, path, groups, visited), strict=True):
        if isinstance(entry, Layer):
            yield from _places(entry, _join(_join(path, name), inside), groups, visited, entries)
        elif entry is not None:
            yield from _places_in(_entries_of(entry), _join(path, name), groups, visited, entries)


def _entries_of(container: Any) -> list[Entry]:
    """The layers in a list or a dict, by their classes, and the lists and dicts in it, by Keras's name for them."""
    values = container.values() if isinstance(container, Mapping) else container
    return [
        (snake_case(type(entry).__name__) if isinstance(entry, Layer) else CONTAINER, "", entry)
        for entry in values
        if isinstance(entry, (Layer, list, tuple, dict))
    ]


def _names(listed: Sequence[Entry], path: str, groups: set[str], visited: set[int]) -> list[str]:
    """The groups of a list's entries: by class and number, or by class and order where the file's numbers skip."""
    classes = [name for name, _, _ in listed]
    counts = [classes[:index].count(name) for index, name in enumerate(classes)]
    names = [f"{name}_{count}" if count else name for name, count in zip(classes, counts, strict=True)]
    for name in set(classes):
        alike = [index for index, other in enumerate(classes) if other == name]
        needed = [index for index in alike if _has_weights(listed[index][2], visited)]
        if all(_join(path, names[index]) in groups for index in needed):
            continue
        present = _numbered(groups, _join(path, name))
        if len(present) == len(needed):
            for index, group in zip(needed, present, strict=True):
                names[index] = group.rsplit("/", 1)[-1]
    return names


def _has_weights(entry: Any, visited: set[int]) -> bool:
    """Whether the file has weights for an entry of a list; a layer that was left out counts as having some."""
    if entry is None or isinstance(entry, Layer):
        return entry is None or (bool(entry.weights) and id(entry) not in visited)
    return any(_has_weights(inner, visited) for _, _, inner in _entries_of(entry))


def _numbered(groups: set[str], stem: str) -> list[str]:
    """`stem`, `stem_1`, ... as far as they are there, by number."""
    by_number = {}
    for group in groups:
        match = re.fullmatch(rf"{re.escape(stem)}(?:_(\d+))?", group)
        if match:
            by_number[int(match[1] or 0)] = group
    return [group for _, group in sorted(by_number.items())]


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path and name else path or name


def write(file: h5py.Group, model: Layer, optimizer: Any, skipped: Collection[int] = ()) -> None:
    """Write the weights of a model and the state of its optimizer (None: without) the way Keras 3 does.

    Layers whose `id` is in `skipped` are left out.
    """
    for path, layer, weights in places(model):
        if id(layer) in skipped:
            continue
        group = file.create_group(_join(path, "vars"))
        group.attrs["name"] = layer.name
        for index, weight in enumerate(weights):
            group[str(index)] = weight.value
    for path, owner in owners(model):
        for name, array in owner.stored_arrays().items():  # type: ignore[attr-defined]
            *inner, last = name.split("/")
            file.require_group("/".join([path, *inner, "vars"]))[last] = array
    if optimizer is not None:
        _write_optimizer(file, OPTIMIZER, optimizer)


def _write_optimizer(file: h5py.Group, path: str, optimizer: Any) -> None:
    """The variables of an optimizer, and once more those of the one inside it, or of several, if it has some."""
    group = file.create_group(f"{path}/vars")
    group.attrs["name"] = optimizer.name
    optimizer.save_own_variables(group)
    if hasattr(optimizer, "inner_optimizer"):
        _write_optimizer(file, f"{path}/inner_optimizer", optimizer.inner_optimizer)
    used: Counter[str] = Counter()
    for inner in getattr(optimizer, "optimizers", ()):
        name = snake_case(type(inner).__name__)
        _write_optimizer(file, f"{path}/optimizers/{name}" + (f"_{used[name]}" if used[name] else ""), inner)
        used[name] += 1
