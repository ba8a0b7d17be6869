"""A stream of batches, an epoch at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import closing
from itertools import chain, islice
from typing import Any

from fastgru.data.batches import Batch
from fastgru.data.streams import BatchStream

_END = object()


class Stream:
    """The batches of a stream as the model takes them, again and again; what `Batches` is to arrays.

    The first batch is made and looked at here, so that data that do not fit are an error before anything begins.
    Nothing is made beyond the end of an epoch.

    Parameters
    ----------
    source : BatchStream
    bound : callable
        Makes of a batch what the model takes; a ValueError says what does not fit.
    steps : int, optional
        Batches an epoch. The next epoch goes on where the last one stopped; where the batches run out before, the epoch
        ends with a warning. One pass where absent.

    Attributes
    ----------
    first
        The first batch, as it came.
    count : None
        Nobody knows the number of samples.
    """

    count: int | None = None

    def __init__(self, source: BatchStream, bound: Callable[[Any], Batch], steps: int | None = None) -> None:
        self._source, self._bound, self._steps = source, bound, steps
        self._passed: int | None = None  # batches of the last whole pass
        source.begin_epoch()
        self._items = source.new_pass()
        item = next(self._items, _END)
        if item is _END:
            raise ValueError(f"x: expected batches, but {source.kind} gave none.")
        self.first = source.batch(item)
        self._ready: list[Any] = [self.first]  # made ahead of its epoch
        self._fitted(self.first, 0)

    @property
    def steps(self) -> int | None:
        """Batches an epoch; None where that is not known yet."""
        return self._steps or self._source.steps or self._passed

    def restart(self) -> None:
        """Let the next epoch start with a new pass."""
        if not self._ready:
            self._items = iter(())

    def epoch(self) -> Generator[Batch, None, None]:
        """The batches of one epoch."""
        source, step = self._source, 0
        if not self._ready:
            source.begin_epoch()
            self._go_on()
        while self._ready:
            yield self._fitted(self._ready.pop(), step)
            step += 1
        rest = islice(self._items, None if self._steps is None else self._steps - step)
        with closing(source.batches(rest)) as batches:
            for batch in batches:
                yield self._fitted(batch, step)
                step += 1
        if self._steps is None:
            self._passed = step
        elif step < self._steps:
            warnings.warn(f"The data ran out after {step} of {self._steps} steps; the epoch ends early.", stacklevel=5)
        source.end_epoch()

    def _go_on(self) -> None:
        """Have at least one batch to come, from a new pass where the last one is over."""
        item = _END if self._steps is None else next(self._items, _END)
        if item is _END:
            self._items = self._source.new_pass()
        else:
            self._items = chain([item], self._items)

    def _fitted(self, batch: Any, step: int) -> Batch:
        try:
            return self._bound(batch)
        except ValueError as error:
            raise ValueError(f"Batch {step} of {self._source.kind}: {error}") from error
