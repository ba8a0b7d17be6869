"""Keras 3's `.weights.h5`, which is also the weights member of a `.keras` file.

Arrays stand under the path of attributes that leads to their owner: `layers/gru/cell/vars/0`. The entries of a list
are not called by the layers' names but by their classes, numbered in order: `gru`, `gru_1`, `dense`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fastgru.layers.layer import Layer, Weight
from fastgru.registry import snake_case
from fastgru.saving import matching
from fastgru.saving.errors import notice
from fastgru.saving.hdf5 import Node
from fastgru.saving.matching import Pair, Stored

if TYPE_CHECKING:
    import h5py

OPTIMIZER = "optimizer"
# the name of a model's list of layers in Keras 2.13 and 2.14
OLD_LAYERS = "_layer_checkpoint_dependencies"

Place = tuple[str, Layer, list[Weight]]


class WeightsFile:
    """The weights in an open `.weights.h5` file."""

    def __init__(self, root: Node) -> None:
        self._file = root.file
        self._arrays: dict[str, dict[int, Stored]] = {}
        for names, array in root.arrays():
            # Windows wrote whole paths with backslashes as the name of one group
            path = "/".join(names).replace("\\", "/").split("/")
            path = ["layers" if name == OLD_LAYERS else name for name in path]
            if len(path) > 1 and path[-2] == "vars" and path[-1].isdecimal():
                self._arrays.setdefault("/".join(path[:-2]), {})[int(path[-1])] = array

    def pairs(self, model: Layer, skip_mismatch: bool = False, by_name: bool = False) -> list[Pair]:
        """All weights of a model with their arrays; a ModelFileError names the first that does not fit."""
        if by_name:
            raise ValueError(
                f"{self._file}: by_name=True is for legacy HDF5 files only; this one names its groups after classes."
            )
        found: list[Pair] = []
        visited = set()
        for path, layer, weights in places(model, self._arrays):
            visited.add(path)
            found += matching.pairs(
                f"layer {layer.name!r}", weights, self._at(path), self._file, path or "/", skip_mismatch
            )
        left = [path for path in self._arrays if path.split("/")[0] == "layers" and path not in visited]
        if left:
            notice(f"{self._file}: the model has no place for the weights at {', '.join(sorted(left))}.")
        return found

    def optimizer_state(self) -> list[Stored]:
        """The optimizer's arrays in their order."""
        return self._at(OPTIMIZER)

    def _at(self, path: str) -> list[Stored]:
        return [array for _, array in sorted(self._arrays.get(path, {}).items())]


def places(model: Layer, stored: Iterable[str] = ()) -> Iterator[Place]:
    """Each owner of weights with its path in the file, in Keras's order; a shared layer counts where it is met first.

    Parameters
    ----------
    model : Layer
    stored : iterable of str
        The paths in a file, where one is read: its numbers may skip, and then entries are matched by their order.
    """
    groups: set[str] = set()
    for path in stored:
        parts = path.split("/")
        groups.update("/".join(parts[:end]) for end in range(1, len(parts) + 1))
    yield from _places(model, "", groups, set())


def _places(layer: Layer, path: str, groups: set[str], visited: set[int]) -> Iterator[Place]:
    if id(layer) in visited:
        return
    visited.add(id(layer))
    for attribute, item in layer.file_items():
        inner = _join(path, attribute)
        if isinstance(item, Layer):
            yield from _places(item, inner, groups, visited)
            continue
        layers = [entry for entry in item if isinstance(entry, Layer)]
        weights = [entry for entry in item if isinstance(entry, Weight)]
        if weights:
            # within one owner trainable weights come first
            yield inner, layer, sorted(weights, key=lambda weight: not weight.trainable)
        for entry, name in zip(layers, _names(layers, inner, groups, visited), strict=True):
            yield from _places(entry, _join(inner, name), groups, visited)


def _names(layers: Sequence[Layer], path: str, groups: set[str], visited: set[int]) -> list[str]:
    """The groups of a list's entries: by class and number, or by class and order where the file's numbers skip."""
    classes = [snake_case(type(layer).__name__) for layer in layers]
    counts = [classes[:index].count(name) for index, name in enumerate(classes)]
    names = [f"{name}_{count}" if count else name for name, count in zip(classes, counts, strict=True)]
    for name in set(classes):
        alike = [index for index, other in enumerate(classes) if other == name]
        needed = [index for index in alike if layers[index].weights and id(layers[index]) not in visited]
        if all(_join(path, names[index]) in groups for index in needed):
            continue
        present = _numbered(groups, _join(path, name))
        if len(present) == len(needed):
            for index, group in zip(needed, present, strict=True):
                names[index] = group.rsplit("/", 1)[-1]
    return names


def _numbered(groups: set[str], stem: str) -> list[str]:
    """`stem`, `stem_1`, ... as far as they are there, by number."""
    found = {}
    for group in groups:
        match = re.fullmatch(rf"{re.escape(stem)}(?:_(\d+))?", group)
        if match:
            found[int(match[1] or 0)] = group
    return [found[number] for number in sorted(found)]


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path and name else path or name


def write(file: h5py.Group, model: Layer, optimizer: Any) -> None:
    """Write the weights of a model and the state of its optimizer (None: without) the way Keras 3 does."""
    for path, layer, weights in places(model):
        group = file.create_group(_join(path, "vars"))
        group.attrs["name"] = layer.name
        for index, weight in enumerate(weights):
            group[str(index)] = weight.value
    if optimizer is not None:
        group = file.create_group(f"{OPTIMIZER}/vars")
        group.attrs["name"] = optimizer.name
        for index, (_, value) in enumerate(optimizer.variables()):
            group[str(index)] = value
