"""A stream of batches, an epoch at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from itertools import chain, islice
from typing import Any

from fastgru import random
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
    count : None
        Nobody knows the number of samples.
    """

    count: int | None = None

    def __init__(self, source: BatchStream, bound: Callable[[Any], Batch], steps: int | None = None) -> None:
        self._source, self._bound, self._steps = source, bound, steps
        self._passed: int | None = None  # batches of the last whole pass
        self._taken = 0
        source.begin_epoch()
        self._items = self._new_pass()
        item = next(self._items, _END)
        if item is _END:
            raise ValueError(f"x: expected batches, but {source.kind} gave none.")
        self._ready: list[Any] = [source.batch(item)]  # made ahead of its epoch
        self._fitted(self.first, 0)
        self._epochs = self._taken = self._in_pass = 0  # whole epochs; batches of all passes, of this one
        self._begun_at: int | None = None  # batch at which another process left the epoch

    @property
    def first(self) -> Any:
        """The first batch, as it came, until the first epoch begins."""
        return self._ready[0]

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
        source, step = self._source, self._begun_at or 0
        if self._begun_at is not None:
            self._begun_at = None
        elif not self._ready:
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
        self._epochs += 1

    @property
    def position(self) -> dict[str, Any]:
        """Where it is: what `resume` needs in another process to go on with the next batch."""
        return {
            "epochs": self._epochs,
            "taken": self._taken,
            "in_pass": self._in_pass,
            "passed": self._passed,
            "drawn_from": self._drawn_from,
        }

    def resume(self, position: Mapping[str, Any], first: int = 0) -> None:
        """Go on where another object with the same data was; the next epoch leaves its `first` batches out.

        A data set with numbered batches makes only those to come, once the ends of the epochs so far were told to it;
        what is iterated makes the batches of the pass once more, a generator all of them. It must give the same.
        """
        source, epochs = self._source, position["epochs"]
        for epoch in range(epochs):
            source.end_epoch()
            if first or epoch < epochs - 1:
                source.begin_epoch()
        if source.is_once:
            self._skip(position["taken"])
        elif first or self._steps is not None or not position["taken"]:
            self._draw_again(position)
        if position["taken"]:
            self._ready = []
            self._begun_at = first or None
        self._epochs, self._passed = epochs, position["passed"]
        self._taken, self._in_pass = position["taken"], position["in_pass"]

    def _skip(self, count: int) -> None:
        """Leave batches out, the first of which is made already."""
        for _ in range(count - 1):
            while (next(self._items, _END)) is _END:
                self._items = self._new_pass()

    def _draw_again(self, position: Mapping[str, Any]) -> None:
        """The pass in its order, without the batches that are done; the random stream is then as before."""
        bits = random.stream().bit_generator
        now, bits.state = bits.state, position["drawn_from"]
        self._items = islice(self._new_pass(), position["in_pass"], None)
        bits.state = now
        if not position["taken"]:
            self._ready = [self._source.batch(next(self._items))]

    def _new_pass(self) -> Iterator[Any]:
        self._drawn_from, self._in_pass = random.stream().bit_generator.state, 0
        return self._source.new_pass()

    def _go_on(self) -> None:
        """Have at least one batch to come, from a new pass where the last one is over."""
        item = _END if self._steps is None else next(self._items, _END)
        if item is _END:
            self._items = self._new_pass()
        else:
            self._items = chain([item], self._items)

    def _fitted(self, batch: Any, step: int) -> Batch:
        self._taken += 1
        self._in_pass += 1
        try:
            return self._bound(batch)
        except ValueError as error:
            raise ValueError(f"Batch {step} of {self._source.kind}: {error}") from error
