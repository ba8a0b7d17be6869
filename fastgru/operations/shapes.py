"""Operations that put numbers in another shape, take some, or put arrays together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from fastgru.operations.operation import Operation, broadcast_size
from fastgru.registry import OPERATIONS, registered
from fastgru.types import Array, Shape

__all__ = ["Concatenate", "ExpandDims", "GetItem", "Reshape", "SameOrder", "Squeeze", "Stack", "Tile", "Transpose"]


class SameOrder(Operation):
    """Base of the operations that leave the order of the numbers as it is."""

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        return [d_y.reshape(arguments[0].shape)]


@registered(OPERATIONS)
class Reshape(SameOrder):
    options: ClassVar = {"newshape": None}

    def compute(self, *arguments: Any) -> Array:
        # a free axis of Keras's static shape is None
        return np.reshape(arguments[0], [-1 if size is None else size for size in self.settings["newshape"]])


@registered(OPERATIONS)
class ExpandDims(SameOrder):
    options: ClassVar = {"axis": None}

    def compute(self, *arguments: Any) -> Array:
        return np.expand_dims(arguments[0], self.settings["axis"])


@registered(OPERATIONS)
class Squeeze(SameOrder):
    options: ClassVar = {"axis": None}

    def compute(self, *arguments: Any) -> Array:
        return np.squeeze(arguments[0], self.settings["axis"])


@registered(OPERATIONS)
class Transpose(Operation):
    options: ClassVar = {"axes": None}

    @property
    def moves_rows(self) -> bool:
        """Whether the samples of a batch come to stand along another axis, so that those of two batches would mix."""
        axes = self.settings["axes"]
        return axes is None or axes[0] != 0

    def compute(self, *arguments: Any) -> Array:
        return np.transpose(arguments[0], self.settings["axes"])

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        axes = self.settings["axes"]
        inverse = None if axes is None else np.argsort([axis % d_y.ndim for axis in axes]).tolist()
        return [np.transpose(d_y, inverse)]


@registered(OPERATIONS)
class GetItem(Operation):
    """``x[key]`` with numbers, slices, None and ``...`` in the key."""

    def compute(self, *arguments: Any) -> Array:
        x, key = arguments
        return np.asarray(x[_key(key)])

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        x, key = arguments
        d_x = np.zeros_like(x)
        d_x[_key(key)] = d_y
        return [d_x, None]


def _key(key: Any) -> Any:
    entries = tuple(key) if isinstance(key, (list, tuple)) else (key,)
    if not all(entry is None or entry is ... or isinstance(entry, (int, slice)) for entry in entries):
        raise TypeError(f"expected numbers and slices between the brackets, got {key!r}")
    return entries


@registered(OPERATIONS)
class Concatenate(Operation):
    options: ClassVar = {"axis": -1}
    listed = True

    def compute(self, *arguments: Any) -> Array:
        return np.concatenate(arguments, self.settings["axis"])

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        axis = self.settings["axis"]
        ends = np.cumsum([x.shape[axis] for x in arguments])[:-1]
        return np.split(d_y, ends, axis)

    def output_shape(self, *shapes: Shape) -> Shape:
        sizes = [[*along] for along in zip(*shapes, strict=True)]
        axis = range(len(sizes))[self.settings["axis"]]
        joined = sizes[axis]
        shape = [broadcast_size(along) for along in sizes[:axis] + sizes[axis + 1 :]]
        shape.insert(axis, None if None in joined else sum(size for size in joined if size is not None))
        return tuple(shape)


@registered(OPERATIONS)
class Stack(Operation):
    options: ClassVar = {"axis": 0}
    listed = True

    def compute(self, *arguments: Any) -> Array:
        return np.stack(arguments, self.settings["axis"])

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        return [np.ascontiguousarray(part) for part in np.moveaxis(d_y, self.settings["axis"], 0)]


@registered(OPERATIONS)
class Tile(Operation):
    options: ClassVar = {"repeats": None}

    def compute(self, *arguments: Any) -> Array:
        return np.tile(arguments[0], self.settings["repeats"])

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        shape = (1,) * (d_y.ndim - arguments[0].ndim) + arguments[0].shape
        parts = [one for new, old in zip(d_y.shape, shape, strict=True) for one in (new // old, old)]
        d_x = d_y.reshape(parts).sum(tuple(range(0, 2 * d_y.ndim, 2)))
        return [d_x.reshape(arguments[0].shape)]
