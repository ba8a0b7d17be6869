"""The states of stateful layers: a session for all that run together, which a call changes as a whole or not at all.

A stateful layer has a `Part` and no arrays. What a call reads and leaves goes through its `Transaction`, which
`fastgru.layers.workspace.Version` carries to all layers inside; the states that are left are shown when the outermost
call has ended. While it lasts no other thread changes the session: two at once would be two halves of no stream.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from fastgru import tree
from fastgru.layers.context import context

if TYPE_CHECKING:
    from fastgru.layers.workspace import Version

__all__ = ["Part", "Replay", "Session", "Transaction", "reserved"]

States = Any  # a list of arrays, of several own cells a list for each; nobody writes into it once it is in a session


class Session:
    """The states of one stream of batches through the stateful layers that run in one model.

    Layers that stand in several models join the sessions of these, for their states are the same wherever they run.

    Attributes
    ----------
    states : dict
        By the parts' keys. A change is another dict, so that all of it is seen or nothing.
    """

    __slots__ = ("states",)

    def __init__(self, states: dict[ref[Part], States]) -> None:
        self.states = states

    def absorb(self, other: Session) -> None:
        """Have the parts of another session, but for those whose layers are gone."""
        parts = [part for part in (key() for key in other.states) if part is not None and part.session is other]
        both = {**self.states, **{part.key: other.states[part.key] for part in parts}}
        self.states = {key: states for key, states in both.items() if key() is not None}
        for part in parts:
            part.session = self


class Part:
    """A layer's part of a session, at first of one of its own; so is that of a copy, with the same states.

    Attributes
    ----------
    session : Session
    where : str
        The layer, for errors.
    """

    __slots__ = ("__weakref__", "key", "session", "where")

    def __init__(self, states: States, where: str) -> None:
        self.key, self.where = ref(self), where
        self.session = Session({self.key: states})

    def __reduce__(self) -> tuple[type[Part], tuple[States, str]]:
        return Part, (self.states, self.where)

    @property
    def states(self) -> States:
        """Those that the last call left, in a layer's `call` those that it left so far."""
        version = context.version
        left = None if version is None or version.transaction is None else version.transaction.left(self)
        return self.session.states[self.key] if left is None else left

    def read(self, version: Version) -> States:
        """Those that a layer goes on from in a call with this version; errors are those of `Transaction.enter`."""
        return _transaction_of(version).read(self)

    def write(self, version: Version, states: States) -> None:
        """Leave states, to be shown when the outermost call has ended."""
        _transaction_of(version).write(self, states)

    def show(self, states: States) -> None:
        """Have other states from here on, in a layer's `call` from its end on."""
        if context.version is not None:
            self.write(context.version, states)
            return
        transaction = Transaction()
        try:
            transaction.write(self, states)
            transaction.commit()
        finally:
            transaction.end()


class Transaction:
    """What one call, or a loop over calls, reads and leaves of the states of a session.

    Attributes
    ----------
    reads : list
        The states that layers went on from, in the order in which they ran, since the last `commit`.
    """

    __slots__ = ("_before", "_held", "_new", "_session", "_thread", "reads")

    def __init__(self) -> None:
        self._thread = get_ident()
        self._session: Session | None = None
        self._held: list[Session] = []
        # all of its beginning: a call in the middle of this one, from a signal handler say, may show others
        self._before: dict[ref[Part], States] | None = None
        self._new: dict[ref[Part], States] = {}
        self.reads: list[States] = []

    def read(self, part: Part) -> States:
        """The states that a layer goes on from."""
        if part.session is not self._session:
            self.enter(part)
        if self._before is None:
            self._before = part.session.states
        states = self._new.get(part.key)
        if states is None:  # of a layer whose session has joined meanwhile: its own
            states = self._before.get(part.key) or part.session.states[part.key]
        self.reads.append(states)
        return states

    def write(self, part: Part, states: States) -> None:
        """Leave states of a layer."""
        if part.session is not self._session:
            self.enter(part)
        self._new[part.key] = states

    def left(self, part: Part) -> States | None:
        """What was left of a layer since the last `commit`."""
        return self._new.get(part.key)

    def commit(self) -> None:
        """Show all that was left."""
        if self._session is not None and self._new and context.assigns:
            self._session.states = {**self._session.states, **self._new}
        self._before, self._new, self.reads = None, {}, []

    def end(self) -> None:
        """Leave the session to others, and forget what was not shown."""
        for session in self._held:
            if _holders.get(session) is self:
                del _holders[session]

    def enter(self, part: Part) -> None:
        """Have the session of a part for this thread alone, joined with the one that is there.

        Raises
        ------
        RuntimeError
            Another thread is at work on it.
        """
        while part.session is not self._session:
            session = part.session
            self._held.append(session)  # first, so that an interrupt leaves none behind
            holder = _holders.setdefault(session, self)
            if holder._thread != self._thread:
                raise RuntimeError(
                    f"{part.where}: its states are in use by another call, in another thread; run a stateful model in "
                    "one thread at a time, or give each thread a model or a session (fastgru.streaming) of its own."
                )
            if part.session is not session:  # another thread has joined it to its own meanwhile
                continue
            if self._session is None:
                self._session = session
            elif holder is self:
                self._session.absorb(session)
            else:  # the one that a call around this one has, too
                session.absorb(self._session)
                self._session = session


class Replay:
    """What layers read when they ran before, once more in the same order; what they leave is forgotten."""

    __slots__ = ("_states",)

    def __init__(self, reads: Sequence[States]) -> None:
        self._states = iter(reads)

    def read(self, part: Part) -> States:
        return next(self._states)

    def write(self, part: Part, states: States) -> None:
        """Nothing is left."""

    def left(self, part: Part) -> None:
        """Nothing is left."""


# who is at work on a session; `setdefault` and `get` are single steps, which no thread or signal handler divides
_holders: dict[Session, Transaction] = {}


def _forked() -> None:
    for session, holder in list(_holders.items()):
        if holder._thread != get_ident():  # which is not in the child
            del _holders[session]


os.register_at_fork(after_in_child=_forked)


def _transaction_of(version: Version) -> Any:
    """That of the outermost call around a layer that runs with this version."""
    version = version.outer or version
    if version.transaction is None:
        version.transaction = Transaction()
    return version.transaction


@contextmanager
def reserved(model: Any, puts_back: bool) -> Iterator[None]:
    """The states of the stateful layers inside are this thread's alone.

    Parameters
    ----------
    model : Layer
    puts_back : bool
        Where it ends by an error or an interrupt, the states are again what they were.
    """
    transaction = Transaction()
    try:
        before = {part.key: transaction.read(part) for part in _parts(model)}
        try:
            yield
        except BaseException:
            if puts_back:
                for part in _parts(model):
                    states = before.get(part.key)  # None of a layer that was built meanwhile
                    transaction.write(
                        part, tree.map_structure(np.zeros_like, part.states) if states is None else states
                    )
                transaction.commit()
            raise
    finally:
        transaction.end()


def _parts(layer: Any) -> list[Part]:
    """Those of a layer and of the layers inside."""
    layers, parts = [layer], []
    for one in layers:
        if (part := getattr(one, "_part", None)) is not None:
            parts.append(part)
        layers.extend(one.sublayers)
    return parts
