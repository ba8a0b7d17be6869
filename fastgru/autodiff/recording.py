"""What is done to arrays, written down as it is done, and the way back through it.

An op computes plain arrays and then hands over what it took, what it put out, and how a gradient is pulled back. Each
recording of the thread that follows one of the inputs keeps that, and follows the outputs, too. Arrays are known by
their identity, so plain arrays, tensors and variables are followed alike; a recording holds on to what it follows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastgru.autodiff.operators import Watchable
from fastgru.autodiff.sums import broadcast, total
from fastgru.types import Array

__all__ = [
    "Part",
    "Pull",
    "Recording",
    "broadcast",
    "is_recorded",
    "nobody_records",
    "readers",
    "record",
    "recorders",
    "recording_of",
]

#: one function for each input, of the gradient by the only output (None: there is none); or one function that takes
#: the gradient by each output, None where there is none, and returns those of all inputs
Pull = tuple[Callable[[Array], Any] | None, ...] | Callable[..., Sequence[Any]]


class _Thread(threading.local):
    """The recordings that listen in a thread."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []


_thread = _Thread()


class Part:
    """A gradient that is zero but at a key of its array, where it is added without a whole array of zeros."""

    __slots__ = ("gradient", "key", "repeats")

    def __init__(self, key: Any, gradient: Array, repeats: bool) -> None:
        self.key, self.gradient, self.repeats = key, gradient, repeats

    def add_to(self, total: Array) -> None:
        """Add it in place; where the key may name a number twice, both count."""
        if self.repeats:
            np.add.at(total, self.key, self.gradient)
        else:
            total[self.key] += self.gradient


class Recording:
    """One list of what was done to the arrays that are followed.

    Parameters
    ----------
    watches_variables : bool
        Follow trainable variables as they are read.
    """

    __slots__ = ("_followed", "entries", "watches_variables")

    def __init__(self, watches_variables: bool = True) -> None:
        self.watches_variables = watches_variables
        self.entries: list[tuple[tuple[Any, ...], tuple[Any, ...], Pull, tuple[Any, ...]]] = []
        self._followed: dict[int, Any] = {}

    def follow(self, x: Any) -> None:
        """Record what is done to an array or a variable."""
        self._followed[id(x)] = x

    def reads(self, values: Sequence[Any]) -> bool:
        """Whether it follows one of the values, as it does each trainable variable from when it is read."""
        followed, is_one = self._followed, False
        for x in values:
            if id(x) in followed:
                is_one = True
            elif isinstance(x, Watchable) and self.watches_variables and x.trainable:
                followed[id(x)] = x
                is_one = True
        return is_one

    @property
    def variables(self) -> list[Any]:
        """The variables that are followed."""
        return [x for x in self._followed.values() if isinstance(x, Watchable)]

    def add(self, outputs: tuple[Any, ...], inputs: tuple[Any, ...], pull: Pull, saved: tuple[Any, ...] = ()) -> None:
        """Keep what made `outputs` of `inputs`; `saved` is what `pull` takes behind the gradients."""
        self.entries.append((outputs, inputs, pull, saved))
        for y in outputs:
            if y is not None and y.dtype.kind == "f":
                self._followed[id(y)] = y

    def gradients(self, seeds: Sequence[tuple[Any, Array]], sources: Sequence[Any], forget: bool) -> list[Array | None]:
        """Gradients by the sources, from those by others.

        Parameters
        ----------
        seeds : sequence of (array, gradient)
        sources : sequence of arrays or variables
        forget : bool
            Let each entry go once it is passed, so that memory is free again.
        """
        sums, followed = Sums(), self._followed
        for y, gradient in seeds:
            sums.add(y, gradient)
        keys = {id(x) for x in sources}
        entries = self.entries if forget else self.entries[:]
        while entries:
            outputs, inputs, pull, saved = entries.pop()
            parts: list[Any] = [sums.of(y) if id(y) in keys else sums.taken(y) for y in outputs]
            if parts[0] is None and all(part is None for part in parts):
                continue
            if isinstance(pull, tuple):
                for x, one in zip(inputs, pull, strict=False):
                    if one is not None and id(x) in followed:
                        sums.add(x, one(*parts, *saved))
            else:
                for x, gradient in zip(inputs, pull(*parts, *saved), strict=False):
                    if gradient is not None and id(x) in followed:
                        sums.add(x, gradient)
        return [sums.of(x) for x in sources]


class Sums:
    """The gradients so far, by the identity of what they are gradients by."""

    __slots__ = ("_own", "_sums")

    def __init__(self) -> None:
        self._sums: dict[int, Array] = {}
        self._own: set[int] = set()  # whose sum is an array of ours, which may be written into

    def of(self, x: Any) -> Array | None:
        return self._sums.get(id(x))

    def taken(self, x: Any) -> Array | None:
        """The gradient, which nobody asks for any more."""
        key = id(x)
        self._own.discard(key)
        return self._sums.pop(key, None)

    def add(self, x: Any, gradient: Any) -> None:
        """Add a gradient, which may be of the shape that `x` was broadcast to, and of another dtype."""
        key = id(x)
        before = self._sums.get(key)
        if type(gradient) is Part:
            if key not in self._own:
                before = np.zeros(x.shape, x.dtype) if before is None else before.copy()
                self._sums[key] = before
                self._own.add(key)
            assert before is not None
            gradient.add_to(before)
            return
        shape, dtype = x.shape, x.dtype
        if gradient.shape != shape:
            gradient = summed(gradient, shape)
        if gradient.dtype != dtype:
            gradient = gradient.astype(dtype)
        if before is None:
            self._sums[key] = gradient if type(gradient) is np.ndarray else np.asarray(gradient)
        elif key in self._own:
            before += gradient
        else:
            self._sums[key] = np.asarray(before + gradient)
            self._own.add(key)


def summed(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of what was broadcast from `shape`."""
    added = gradient.ndim - len(shape)
    axes = (*range(added), *[added + axis for axis, size in enumerate(shape) if size == 1])
    if axes:
        return total(gradient, axes).reshape(shape)
    return broadcast(gradient, shape)


def recorders() -> list[Recording]:
    """The recordings of this thread; empty where nobody records."""
    return _thread.recordings


def readers(values: Sequence[Any]) -> list[Recording]:
    """The recordings of this thread that follow one of the values."""
    if not _thread.recordings:
        return []
    return [recording for recording in _thread.recordings if recording.reads(values)]


def is_recorded(values: Sequence[Any]) -> bool:
    """Whether a recording follows one of the values."""
    return bool(readers(values))


def record(outputs: tuple[Any, ...], inputs: tuple[Any, ...], pull: Pull) -> None:
    """Tell each recording that follows an input what was made of the inputs."""
    for recording in readers(inputs):
        recording.add(outputs, inputs, pull)


@contextmanager
def recording_of(recordings: list[Recording]) -> Iterator[None]:
    """Inside, these recordings listen, and no others."""
    before, _thread.recordings = _thread.recordings, recordings
    try:
        yield
    finally:
        _thread.recordings = before


def nobody_records() -> Any:
    """Inside, nothing is recorded."""
    return recording_of([])
