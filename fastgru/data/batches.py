"""A data set cut into batches, in order or shuffled, again and again."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastgru import random, threads
from fastgru.data.batch_size import batch_size_of
from fastgru.data.column import Column, ColumnLike
from fastgru.data.padding import by_length, drawn_by_length
from fastgru.types import Array

if TYPE_CHECKING:
    from fastgru.layers.share import Share

Batch = tuple[Any, ...]  # an array, or None, for each column


class SharedBatch(tuple[Any, ...]):
    """The rows of a batch that this process computes.

    Attributes
    ----------
    share : Share
        Which they are.
    """

    share: Share


class Sharing(Protocol):
    """The processes that share every batch."""

    def share(self, total: int, /) -> Share: ...

    def align(self, generator: np.random.Generator, /) -> None: ...


def shared(columns: Sequence[ColumnLike | None], rows: slice | Array, share: Share, n_threads: int = 1) -> SharedBatch:
    """The rows of this process, of a batch of the rows of a slice or with these indices.

    Sequences of unequal length are padded in the whole batch, as they would be in one process.
    """
    own = slice(share.start, share.stop)

    def part(column: ColumnLike) -> Array:
        if isinstance(rows, slice):
            if isinstance(column, Column):
                return column.rows(slice(rows.start + own.start, rows.start + own.stop))
            return column.rows(rows)[own]
        return column.gathered(rows[own], n_threads) if isinstance(column, Column) else column.gathered(rows)[own]

    batch = SharedBatch([None if column is None else part(column) for column in columns])
    batch.share = share
    return batch


class Batches:
    """Columns of equal length, cut into batches again and again.

    Parameters
    ----------
    columns : sequence of Column, or of what else has its methods, or None
        A None stays None in every batch.
    batch_size : int, optional
    shuffle : bool or "batch"
        Draw a new order for every pass; "batch" only within each batch. Batches are then gathered into memory that the
        next one overwrites.
    lengths : (N,) int ndarray, optional
        Of sequences of which those in a batch are to be about as long: from the shortest to the longest where they are
        not shuffled.
    steps : int, optional
        Batches an epoch. The next epoch goes on where the last one stopped; where the data run out before, the epoch
        ends with a warning. One pass over the data where absent.
    sharing : Sharing, optional
        Processes among which the rows of each batch are shared; they draw the same orders.
    """

    def __init__(
        self,
        columns: Sequence[ColumnLike | None],
        batch_size: int | None = None,
        shuffle: bool | str | None = False,
        steps: int | None = None,
        lengths: Array | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        self._columns, self._lengths, self._sharing = columns, lengths, sharing
        self.count = next(len(column) for column in columns if column is not None)
        self.batch_size = batch_size_of(batch_size, self.count, steps)
        self._shuffle = shuffle
        self._batches_in_a_pass = -(-self.count // self.batch_size)
        self._steps = steps
        self._pass: Iterator[Batch] = iter(())
        self._batches_left = 0
        self._first = 0  # batch of the next epoch
        self._drawn_from: Any = None  # the random state of which the order of this pass was drawn

    def __len__(self) -> int:
        return self._steps or self._batches_in_a_pass

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return len(self)

    def restart(self) -> None:
        """Let the next epoch start with a new pass."""
        self._batches_left = 0

    @property
    def position(self) -> dict[str, Any]:
        """Where in its pass it is: what `resume` needs in another process to go on with the next batch."""
        return {"batches_left": self._batches_left, "drawn_from": self._drawn_from}

    def resume(self, position: Mapping[str, Any], first: int = 0) -> None:
        """Go on where another object with the same data was; the next epoch leaves its `first` batches out.

        The package's random stream draws the order of the pass once more, and is then as before.
        """
        self._first, self._batches_left = first, position["batches_left"]
        if self._batches_left:
            bits = random.stream().bit_generator
            now, bits.state = bits.state, position["drawn_from"] or bits.state
            self._pass = self._new_pass(self._batches_in_a_pass - self._batches_left)
            bits.state = now

    def epoch(self) -> Generator[Batch, None, None]:
        """The batches of one epoch: a tuple with one array (or None) for each column."""
        first, self._first = self._first, 0
        if self._steps is None and not first:
            self.restart()
        for step in range(first, len(self)):
            if not self._batches_left:
                if step:
                    warnings.warn(
                        f"The data ran out after {step} of {self._steps} steps; the epoch ends early.", stacklevel=5
                    )
                    break
                self._pass, self._batches_left = self._new_pass(), self._batches_in_a_pass
            self._batches_left -= 1
            yield next(self._pass)

    def _new_pass(self, first: int = 0) -> Iterator[Batch]:
        """A pass over the data from one of its batches on; its order is drawn at once."""
        starts = range(first * self.batch_size, self.count, self.batch_size)
        if not self._shuffle and self._lengths is None:
            return self._in_order(starts)
        if self._sharing is not None:
            self._sharing.align(random.stream())
        self._drawn_from = random.stream().bit_generator.state
        return self._drawn(starts, self._order())

    def _in_order(self, starts: range) -> Iterator[Batch]:
        for start in starts:
            rows = slice(start, min(start + self.batch_size, self.count))
            if self._sharing is not None:
                yield shared(self._columns, rows, self._sharing.share(rows.stop - start))
                continue
            yield tuple([None if column is None else column.rows(rows) for column in self._columns])

    def _drawn(self, starts: range, order: Array) -> Iterator[Batch]:
        n_threads = threads.get_num_threads()
        for start in starts:
            rows = order[start : start + self.batch_size]
            if self._sharing is not None:
                yield shared(self._columns, rows, self._sharing.share(len(rows)), n_threads)
                continue
            yield tuple([None if column is None else column.gathered(rows, n_threads) for column in self._columns])

    def _order(self) -> Array:
        draw = random.stream().permutation
        if self._lengths is not None:
            return drawn_by_length(self._lengths, self.batch_size) if self._shuffle else by_length(self._lengths)
        if self._shuffle != "batch":
            return draw(self.count)
        starts = range(0, self.count, self.batch_size)
        return np.concatenate([start + draw(min(self.batch_size, self.count - start)) for start in starts])
