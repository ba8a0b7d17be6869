"""Tensors in another order of axes than they are computed in, which is only made where somebody needs it.

ONNX's recurrent nodes have the time first and an axis for the directions, its convolutions the channels before the
time, and what stands between two of them is mostly ``Transpose``, ``Squeeze`` and ``Reshape`` that undo each other. So
a tensor is held as a layer puts it out, with its axes cut into factors and a note of how they are shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastgru import ops
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.onnx.sized import sized
from fastgru.onnx.sizes import Size

__all__ = ["Factor", "Laid", "shaped"]


class Factor:
    """A part of an axis, told from others of the same size by being itself."""

    __slots__ = ("size",)

    def __init__(self, size: Any) -> None:
        self.size = size

    def __repr__(self) -> str:
        return f"<Factor {self.size}>"


Groups = tuple[tuple[Factor, ...], ...]


class Laid:
    """A symbolic tensor and how its axes are shown.

    Attributes
    ----------
    base : SymbolicTensor
        As it is computed.
    held, shown : tuple of tuple of Factor
        What each axis of `base`, and each axis as the graph sees it, is a product of; none of a shown one of size 1.
    """

    __slots__ = ("base", "held", "shown")

    def __init__(self, base: SymbolicTensor, held: Groups, shown: Groups) -> None:
        self.base, self.held, self.shown = base, held, shown

    @classmethod
    def plain(cls, base: SymbolicTensor, sizes: Sequence[Any]) -> Laid:
        """A tensor as it is, whose axes have these sizes."""
        held = tuple((Factor(size),) for size in sizes)
        return cls(base, held, held)

    @property
    def sizes(self) -> tuple[Any, ...]:
        """The size of each shown axis."""
        return tuple(_size(group) for group in self.shown)

    @property
    def order(self) -> list[int] | None:
        """Which axis of the base each shown one is, where they are the same axes in some order."""
        if len(self.held) != len(self.shown) or not all(group in self.held for group in self.shown):
            return None
        return [self.held.index(group) for group in self.shown]

    def on(self, base: SymbolicTensor) -> Laid:
        """Another tensor of the same sizes, shown in the same way."""
        return Laid(base, self.held, self.shown)

    def with_last(self, base: SymbolicTensor, size: Any) -> Laid:
        """Another tensor, whose last axis has another size and is shown last, as that of this one is."""
        last = (Factor(size),)
        return Laid(base, (*self.held[:-1], last), (*self.shown[:-1], last))

    @property
    def ends_alike(self) -> bool:
        """Whether the last shown axis is the last of the base."""
        return bool(self.shown) and self.shown[-1] == self.held[-1]

    # --- what changes how it is shown ---------------------------------------------------------------

    def transposed(self, axes: Sequence[int]) -> Laid:
        return Laid(self.base, self.held, tuple(self.shown[axis] for axis in axes))

    def squeezed(self, axes: Sequence[int]) -> Laid:
        """Without these axes, which have the size 1; a free size is taken to be that."""
        left = [group for axis, group in enumerate(self.shown) if axis not in axes]
        gone = [self.shown[axis] for axis in axes]
        if any(isinstance(_size(group), Size) for group in gone):
            raise ValueError("drops an axis whose size is not known; export it with that axis fixed to 1")
        if any(_size(group) != 1 for group in gone):
            raise ValueError(f"drops axes {list(axes)} of sizes {list(self.sizes)}, which are not all 1")
        return Laid(self.base, self.held, tuple(left))

    def expanded(self, axes: Sequence[int]) -> Laid:
        """With further axes of size 1 at these places."""
        shown = list(self.shown)
        for axis in sorted(axes):
            shown.insert(axis, ())
        return Laid(self.base, self.held, tuple(shown))

    def reshaped(self, sizes: Sequence[Any]) -> Laid | None:
        """In another shape, where its axes are products or parts of what they are now; None where they are not."""
        todo = [factor for group in self.shown for factor in group if factor.size != 1]
        parts: dict[Factor, list[Factor]] = {}
        shown = []
        for size in sizes:
            group: list[Factor] = []
            while (left := _left(size, group)) != 1:
                if left is None or not todo:
                    return None
                factor = todo.pop(0)
                if _divides(factor.size, left):
                    group.append(factor)
                elif isinstance(left, int) and isinstance(factor.size, int) and factor.size % left == 0:
                    first, rest = Factor(left), Factor(factor.size // left)
                    origin = next((one for one, cut in parts.items() if factor in cut), factor)
                    cut = parts.setdefault(origin, [factor])
                    cut[cut.index(factor) : cut.index(factor) + 1] = [first, rest]
                    group.append(first)
                    todo.insert(0, rest)
                else:
                    return None
            shown.append(tuple(group))
        if todo:
            return None
        held = tuple(tuple(part for one in group for part in parts.get(one, [one])) for group in self.held)
        return Laid(self.base, held, tuple(shown))

    # --- as it is shown -----------------------------------------------------------------------------

    def tensor(self) -> SymbolicTensor:
        """The tensor as it is shown."""
        x = self.base
        groups = [_known(group) for group in self.held]
        shown = [_known(group) for group in self.shown]
        if groups == shown and len(self.held) == len(self.shown):
            return x
        order = [factor for group in shown for factor in group]
        split = [factor for group in groups for factor in group]
        if order != split:
            if len(split) != len(groups):
                x = shaped(x, self.base, [factor.size for factor in split])
            x = ops.transpose(x, [split.index(factor) for factor in order])
        if any(len(group) != 1 for group in shown) or order == split:
            x = shaped(x, self.base, self.sizes)
        return x


def shaped(x: SymbolicTensor, origin: SymbolicTensor, sizes: Sequence[Any]) -> SymbolicTensor:
    """A tensor in a shape of which some sizes may only be known when the model runs."""
    free = [axis for axis, size in enumerate(sizes) if isinstance(size, Size)]
    if len(free) <= 1:
        return ops.reshape(x, [-1 if axis in free else size for axis, size in enumerate(sizes)])
    return sized("reshape", x, sizes)


def _known(group: tuple[Factor, ...]) -> list[Factor]:
    return [factor for factor in group if factor.size != 1]


def _size(group: tuple[Factor, ...]) -> Any:
    return math.prod(factor.size for factor in group)


def _left(size: Any, group: list[Factor]) -> Any:
    """What is missing to a size beside the factors of a group; None where it does not come out even."""
    product = _size(tuple(group))
    if isinstance(size, Size) or isinstance(product, Size):
        if size == product:
            return 1
        left = size // product
        return left if left * product == size else None
    return None if size % product else size // product


def _divides(size: Any, of: Any) -> bool:
    if isinstance(size, Size) or isinstance(of, Size):
        return bool(size == of) or (of // size) * size == of
    return of % size == 0
