"""How many numbers a model computes of a request: those that stand in memory at a time, and those of its answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from fastgru.layers.attention import AdditiveAttention, Attention
from fastgru.layers.multi_head_attention import MultiHeadAttention
from fastgru.serving.refusal import Refusal
from fastgru.types import Array

__all__ = ["Sizes"]

Shape = tuple[int | None, ...]


class Sizes:
    """Numbers of a model with known shapes, each ``sum(numbers[p] * longest**p)`` for the longest of its free sizes.

    A free size within the model is taken to be no longer than the input's: one that is (an UpSampling1D's) counts for
    less than it is.

    Parameters
    ----------
    model : Model
    shapes : sequence of tuple
        Of its inputs, without the rows; None for any size.
    batch : int
        Rows that are computed at a time.
    limit : int
        Numbers that are in memory at a time.
    rows_are_apart : bool
        Whether fewer rows may be computed at a time.
    """

    def __init__(self, model: Any, shapes: Sequence[Shape], batch: int, limit: int, rows_are_apart: bool) -> None:
        self._computed = _sums(_computed(model))
        self._answered = _sums(symbol.shape for symbol in model.outputs)
        self._of_row = lru_cache(256)(self._numbers)  # requests are of a few lengths, again and again
        self._free = [(place, axis) for place, shape in enumerate(shapes)
                      for axis, size in enumerate(shape, 1) if size is None]  # fmt: skip
        self._batch = batch
        self._limit = limit
        self._rows_are_apart = rows_are_apart

    def rows(self, inputs: Sequence[Array]) -> int:
        """How many rows of inputs to compute at a time, for the outputs of all layers are in memory together.

        Raises
        ------
        Refusal
            There is not enough memory for the least of them.
        """
        numbers, _answered = self._of_row(self._longest(inputs))
        rows = self._batch if numbers * self._batch <= self._limit else self._limit // numbers
        least = 1 if self._rows_are_apart else min(self._batch, len(inputs[0]))
        if rows < least:
            raise Refusal(
                413,
                f"inputs: the layers make {numbers:,} numbers of a row and compute {least} at a time, and the service "
                f"takes {self._limit:,} numbers at most; send shorter sequences.",
            )
        return rows if self._rows_are_apart else self._batch

    def answered(self, inputs: Sequence[Array]) -> int:
        """The numbers of the answer to inputs."""
        return len(inputs[0]) * self._of_row(self._longest(inputs))[1]

    def _longest(self, inputs: Sequence[Array]) -> int:
        """The longest of the free sizes, of which texts, as long as they have letters, are one."""
        longest = 1
        for place, axis in self._free:
            size = inputs[place].shape[axis]
            if size > longest:
                longest = size
        for array in inputs:
            if array.dtype == object:
                longest = max(longest, *map(len, array.ravel().tolist()), 1)
        return longest

    def _numbers(self, longest: int) -> tuple[int, int]:
        """What is computed of a row, and what is answered."""
        return _sum(self._computed, longest), _sum(self._answered, longest)


def _computed(model: Any) -> Iterator[Shape]:
    """The shapes (B, ...) of what all layers make, also between their inputs and outputs."""
    for layer in getattr(model, "layers", ()):
        if hasattr(layer, "layers"):
            yield from _computed(layer)
        for node in layer.nodes:
            yield from (symbol.shape for symbol in node.outputs)
            if isinstance(layer, (Attention, MultiHeadAttention)):
                yield _scores(layer, node.inputs[0].shape)


def _scores(layer: Any, shape: Shape) -> Shape:
    """Those of all steps with all others, which an AdditiveAttention has for each feature."""
    features = shape[-1] if isinstance(layer, AdditiveAttention) else getattr(layer, "num_heads", 1)
    return None, features, *shape[1:-1], *shape[1:-1]


def _sum(numbers: tuple[int, ...], longest: int) -> int:
    return sum(number * longest**power for power, number in enumerate(numbers))


def _sums(shapes: Iterable[Shape]) -> tuple[int, ...]:
    """For each number of free sizes, how many numbers there are for all of them being 1."""
    sums: dict[int, int] = {0: 0}
    for shape in shapes:
        sizes = shape[1:]
        power = sum(size is None for size in sizes)
        sums[power] = sums.get(power, 0) + math.prod(size for size in sizes if size is not None)
    return tuple([sums.get(power, 0) for power in range(max(sums) + 1)])
