"""Which rows of a batch this process computes, where several processes share it.

What sums or counts over the rows of a batch in training asks here, and comes to what one process would: the losses, the
penalties of activity regularizers, `BatchNormalization`, and dropout, which draws the mask of the whole batch and takes
its rows of it. Outside of a step that is shared, `context.share` is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastgru.layers.context import context
from fastgru.types import Array

__all__ = ["Share", "Sharers", "batch_size_of", "drawn", "part_of_mean", "sharing", "uniform"]


class Sharers(Protocol):
    """The processes, as `fastgru.distribution` joins them."""

    def add(self, array: Array) -> Array:
        """Put the sum of the arrays of all processes in the place of each."""
        ...

    def gathered(self, array: Array, share: Share) -> Array:
        """The rows of all processes, one after the other."""
        ...


class Share(NamedTuple):
    """The rows of this process.

    Attributes
    ----------
    start, stop : int
    total : int
        Rows of the whole batch.
    counts : bool
        Whether the rows count: where there are fewer rows than processes, one without a row computes the first once
        more, so that all go the same way.
    is_mean : bool
        Whether a loss is to be one for these rows alone, as a training step of one's own takes it; else it is what they
        add to that of the whole batch.
    sharers : Sharers
    """

    start: int
    stop: int
    total: int
    counts: bool
    is_mean: bool
    sharers: Sharers

    @property
    def fraction(self) -> float:
        """What part of the whole batch this is."""
        return (self.stop - self.start) / self.total if self.counts else 0.0

    @property
    def scale(self) -> float:
        """What a part of the whole batch's sum is multiplied by."""
        if self.is_mean:
            return self.total / (self.stop - self.start)
        return float(self.counts)

    def whole_size(self, size: int) -> float:
        """How many numbers the whole batch has, of so many for these rows."""
        return size * self.total / (self.stop - self.start)

    def sum(self, numbers: Any) -> Array:
        """The sum of the numbers of all processes whose rows count, in their dtype; of whole numbers in float64."""
        array = np.array(numbers)
        if array.dtype.kind != "f":
            array = array.astype("float64")
        return self.sharers.add(array if self.counts else np.zeros_like(array))

    def sum_of_gradients(self, gradients: Array) -> Array:
        """The same of gradients, in the scale of the loss of this process: 0 for a row that does not count."""
        part = self.fraction if self.is_mean else 1.0
        total = self.sum(gradients * gradients.dtype.type(part))
        return total * total.dtype.type(self.scale if self.counts else 0.0)

    def whole(self, parts: Sequence[Any]) -> list[Any]:
        """Arrays of the whole batch, of those of these rows; a None stays one."""
        return [None if part is None else self.sharers.gathered(np.asarray(part), self) for part in parts]

    def of_whole(self, array: Array) -> Array:
        """These rows of an array of the whole batch: gradients, in the scale of the loss of this process."""
        rows = array[self.start : self.stop]
        return rows if self.scale == 1.0 else rows * rows.dtype.type(self.scale)


@contextmanager
def sharing(share: Share | None) -> Iterator[None]:
    """Inside, this thread computes a share of a batch; with None a whole one."""
    before, context.share = context.share, share
    try:
        yield
    finally:
        context.share = before


def batch_size_of(count: int) -> float:
    """What a sum over so many rows is divided by for the mean over the batch; infinite for rows that do not count."""
    share = context.share
    if share is None or share.is_mean:
        return max(1, count)  # a sum over no rows is 0, and so is its mean
    return max(1, share.whole_size(count)) if share.counts else math.inf


def part_of_mean() -> float:
    """What a mean over the rows at hand is multiplied by, to be the part of these rows in that of the batch."""
    share = context.share
    return 1.0 if share is None or share.is_mean else share.fraction


def uniform(generator: np.random.Generator, shape: tuple[int, ...], axis: int | None = 0) -> Array:
    """Numbers from 0 to 1, in float32, for the rows along `axis`; None for numbers that all rows share.

    Processes that share a batch, with generators in one state, get their rows of what one process would draw, and leave
    the generators in the state in which it would leave its own.

    Raises
    ------
    ValueError
        The rows along the axis are not so many for each row of the batch.
    """
    share = context.share
    if share is None or axis is None:
        return generator.random(shape, np.float32)
    numbers = np.empty(shape, np.float32)
    a_row = _times(share, shape, axis) * math.prod(shape[axis + 1 :])
    for part in numbers.reshape(math.prod(shape[:axis]), -1):
        _skip(generator, share.start * a_row)
        generator.random(dtype=np.float32, out=part)
        _skip(generator, (share.total - share.stop) * a_row)
    return numbers


def drawn(draw: Callable[..., Any], shape: tuple[int, ...]) -> Array:
    """What `draw` draws for a shape, rows first, under the same conditions; it draws for the whole batch."""
    share = context.share
    if share is None:
        return draw(shape)
    times = _times(share, shape, 0)
    return draw((share.total * times, *shape[1:]))[share.start * times : share.stop * times]


def _times(share: Share, shape: tuple[int, ...], axis: int) -> int:
    """How often an axis has the rows of the batch: more than once where the steps are rows, too."""
    times, rest = divmod(shape[axis], share.stop - share.start)
    if rest:
        raise ValueError(
            f"DataParallel: expected random numbers for each of the {share.stop - share.start} rows of the batch, got "
            f"the shape {shape}, whose axis {axis} does not follow the rows."
        )
    return times


def _skip(generator: np.random.Generator, count: int) -> None:
    """Leave so many numbers in float32 out, of which PCG64 makes two in one step."""
    bits: Any = generator.bit_generator
    if count > 1 and isinstance(bits, np.random.PCG64):
        if bits.state["has_uint32"]:
            generator.random(dtype=np.float32)
            count -= 1
        if count > 1:
            bits.advance(count // 2)
        count %= 2
    if count:
        generator.random(count, np.float32)
