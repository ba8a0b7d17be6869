"""Weights packed for the kernels' register tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import is_not

from fastgru.layers.weight import Weight, announce_reader
from fastgru.layers.workspace import Call, aligned_empty
from fastgru.types import Array

__all__ = ["Arrays", "Packing"]

Arrays = tuple[Array, ...]


class Packing:
    """The packed copy of a layer's weights that serves all calls and threads until a weight shows another array.

    It is never written again once it is handed out. In training, where weights change with every batch, the kernels
    pack them into the call's memory instead.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: tuple[Mapping[Weight, Array] | None, Arrays, Array] | None = None  # version, its arrays, packed

    def __reduce__(self) -> tuple[type[Packing], tuple[()]]:
        return Packing, ()  # a copy, or a file, packs anew

    def read(
        self, call: Call, weights: Sequence[Weight], size: Callable[[], int], pack: Callable[..., None]
    ) -> tuple[Arrays, Array]:
        """The arrays that the call reads, and what `pack` wrote of them.

        `pack` is called with an array of ``size()`` numbers and the weights' arrays. What a reader has announced itself
        for never changes, so an array that is the same object has the same numbers.
        """
        last, values = self._last, call.version.values
        if values is None:
            announce_reader()
        if last is None or values is None or last[0] is not values:
            arrays = tuple([call.value(weight) for weight in weights])
            if last is None or any(map(is_not, arrays, last[1])):
                packed = aligned_empty(size(), arrays[0].dtype)
                pack(packed, *arrays)
                packed.setflags(write=False)
            else:
                packed = last[2]
            self._last = last = values, arrays, packed
        return last[1:]
