"""Weights packed for the kernels' register tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastgru.layers.layer import Array, Weight, aligned_empty


class Packing:
    """The packed copy of a layer's weights that serves all calls and threads until a weight changes.

    It is never written again once it is handed out. In training, where weights change with every batch, the kernels
    pack them into the call's memory instead.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: tuple[tuple[int, ...], Array] | None = None

    def __reduce__(self) -> tuple[type[Packing], tuple[()]]:
        return Packing, ()  # a copy, or a file, packs anew

    def packed(self, weights: Sequence[Weight], size: Callable[[], int], pack: Callable[[Array], None]) -> Array:
        """What `pack` writes into an array of `size` numbers, from these weights."""
        versions = tuple([weight.version for weight in weights])
        known = self._known
        if known is None or known[0] != versions:
            packed = aligned_empty(size(), weights[0].value.dtype)
            pack(packed)
            packed.flags.writeable = False
            known = self._known = versions, packed
        return known[1]
