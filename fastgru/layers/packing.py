"""Weights packed for the kernels' register tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastgru.layers.layer import Array, Call, Weight, aligned_empty


class Packing:
    """Packed copies of a layer's weights.

    In training, where weights change with every batch, the copy lives in the call's memory. Otherwise one copy serves
    all calls and threads until a weight changes; it is never written again once it is handed out.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: tuple[tuple[int, ...], Array] | None = None

    def packed(
        self, call: Call, weights: Sequence[Weight], size: int, dtype: str, pack: Callable[[Array], None]
    ) -> Array:
        """What `pack` writes into an array of `size` numbers, from these weights."""
        if call.differentiate:
            packed = call.buffer("packed", (size,), dtype)
            pack(packed)
            return packed
        versions = tuple([weight.version for weight in weights])
        known = self._known
        if known is None or known[0] != versions:
            packed = aligned_empty(size, dtype)
            pack(packed)
            known = self._known = versions, packed
        return known[1]
