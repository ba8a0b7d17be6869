"""Weights, and how all numbers of a model change at once.

An array that a weight shows is never written again: new numbers are new arrays, and `publish` shows those of many
weights by one swap. Its reader, `capture`, takes no lock: a prediction never waits, not even in a signal handler that
stopped a writer in the middle::

    writer                                    reader
    1. current = publication (new arrays)     1. read current
    2. each weight's slot = its new array     2. leave a fresh token in `token`
    3. forget the publication's arrays        3. read the slots; what the publication still has goes before them
                                              4. read current again: begin anew where it is another

Between 1 and 2 of the writer the slots are old or mixed, and the publication has what is missing: hence 3 of the
reader. Where 4 sees no change, no writer came between, and 3 read the arrays of one publication alone. With two
weights, a reader that comes into the middle of an update and is overtaken by it::

    writer                            slots     reader
                                      a0, b0    1. current is P0
    1. current = P1 (a1, b1)          a0, b0
    2. the first slot                 a1, b0    3. the slots are a1, b0, and P0 has nothing to go before them
                                      a1, b0    4. current is P1: anew
                                      a1, b0    1. current is P1
                                      a1, b0    3. the slots are a1, b0; P1's arrays go before them: a1, b1
                                      a1, b0    4. current is P1 still: a1, b1 it is
    2. the second slot                a1, b1
    3. P1 forgets its arrays          a1, b1
    1. current = P2 (a2, b2) ...      a2, b2    goes on with a1, b1, which nobody writes

Who wants to write into an array's memory once more (see `Parameters`) compares tokens. A reader leaves one before it
reads a slot; so whoever takes an array off the weights, and then sees the token from before the array was shown, knows
that nobody captured it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.autodiff.operators import Watchable
from fastgru.autodiff.tensor import array_function, array_ufunc
from fastgru.checks import real_numbers
from fastgru.constraints import Constraint
from fastgru.layers.context import context
from fastgru.regularizers import Regularizer
from fastgru.types import Array

__all__ = ["Publication", "Weight", "announce_reader", "capture", "frozen", "publish", "published", "show"]


class Publication:
    """One swap: its identity is the version of all weights.

    Attributes
    ----------
    changes : (sequence of Weight, sequence of ndarray)
        The weights and their new arrays, until the slots of all weights have them.
    """

    __slots__ = ("changes",)

    def __init__(self, weights: Sequence[Weight], arrays: Sequence[Array]) -> None:
        self.changes = weights, arrays


class _Published:
    """The latest publication, and what the latest reader left."""

    __slots__ = ("current", "token")

    def __init__(self) -> None:
        self.current = Publication((), ())
        self.token = object()


published = _Published()
_writers = threading.RLock()  # a signal handler may write in the middle of a write
_consume = deque[None](maxlen=0).extend
_set = object.__setattr__


def _forked() -> None:
    global _writers
    _writers = threading.RLock()  # the thread that held it is not in the child


os.register_at_fork(after_in_child=_forked)


class Weight(Watchable):
    """A named array of a layer.

    Attributes
    ----------
    value : ndarray
        The numbers, read-only: other numbers are another array, which `assign` makes. To set it does the same, and may
        change the shape.
    gradient : ndarray or None
        Where `Layer.backward` adds the gradient of the loss; same shape as `value`. None outside training.
    """

    value: Array  # a slot, for training reads it many times a batch
    __slots__ = ("constraint", "gradient", "name", "path", "regularizer", "trainable", "value")

    def __init__(
        self,
        value: Array,
        name: str,
        path: str,
        trainable: bool = True,
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        publish({self: value.view()})
        self.gradient: Array | None = None
        self.name = name
        self.path = path
        self.trainable = trainable
        self.regularizer = regularizer
        self.constraint = constraint

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "value":
            publish({self: np.array(value, order="C")})
        else:
            _set(self, name, value)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> str:
        return str(self.value.dtype)

    def read(self) -> Array:
        """The numbers that ops compute on: in a layer's `call` those of the version that the whole call reads."""
        version = context.version
        return self.value if version is None or version.values is None else version.values.get(self, self.value)

    def numpy(self) -> Array:
        """A copy of the numbers."""
        return self.read().copy()

    def assign(self, value: npt.ArrayLike) -> None:
        """Replace the numbers; a ValueError names the weight and both shapes where they do not fit."""
        new = real_numbers(value, f"Weight {self.path!r}")
        if new.shape != self.shape:
            raise ValueError(f"Weight {self.path!r}: expected shape {self.shape}, got {new.shape}.")
        if context.assigns:
            publish({self: np.array(new, self.value.dtype, order="C")})

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return array_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        return array_function(function, arguments, options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.read(), dtype=dtype, copy=copy is not False)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Weight.__slots__}

    def __setstate__(self, state: Any) -> None:
        slots = dict(state[1] if isinstance(state, tuple) else state)  # (None, slots) before 0.2
        publish({self: slots.pop("value")})
        slots.pop("version", None)
        for name, entry in slots.items():
            setattr(self, name, entry)

    def __repr__(self) -> str:
        return f"<Weight {self.path} shape={self.shape} dtype={self.dtype}>"


def frozen(array: Array) -> Array:
    """The numbers of an array, which is read-only from here on, with no base or flag through which to write them."""
    array.setflags(write=False)
    return np.asarray(memoryview(array))


def publish(values: Mapping[Weight, Array]) -> None:
    """Show new arrays of all these weights at once, so that a prediction sees all of them or none.

    The arrays are C-contiguous, of the weights' shapes and dtypes, and read-only from here on; nobody writes into their
    memory any more.
    """
    show([*values], [*map(frozen, values.values())])


def show(weights: Sequence[Weight], arrays: Sequence[Array]) -> None:
    """`publish` for arrays that are read-only already."""
    publication = Publication(weights, arrays)
    # a signal is heard behind calls of the block, which releases the lock, and nowhere between block and lock
    with _writers:
        # a single call that runs no Python code: an interrupt comes before the swap or behind the last slot
        names = chain(("current",), repeat("value"))
        _consume(map(_set, (published, *weights), names, (publication, *arrays)))
        publication.changes = (), ()
    version = context.version
    if version is not None and version.values is not None:  # the `call` that assigns them reads them from here on
        version.values = {**version.values, **dict(zip(weights, arrays, strict=True))}


def announce_reader() -> None:
    """Whoever reads a weight after this may keep the array: its memory is never written again."""
    published.token = object()


def capture(weights: Iterable[Weight]) -> tuple[Publication, dict[Weight, Array]]:
    """The latest publication and the arrays that the weights have there."""
    weights = list(weights)
    while True:
        publication = published.current
        announce_reader()
        unfinished = dict(zip(*publication.changes, strict=True))
        values = {weight: weight.value for weight in weights}
        if unfinished:
            values.update((weight, unfinished[weight]) for weight in weights if weight in unfinished)
        if published.current is publication:
            return publication, values
