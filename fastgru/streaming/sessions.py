"""Sessions: a model that answers step by step, for each of many users from where that one was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, kernels
from fastgru.streaming import snapshots
from fastgru.streaming.passes import Passes
from fastgru.streaming.plan import Plan, plan_of
from fastgru.streaming.slots import Slots
from fastgru.types import Array

__all__ = ["Sessions"]

Ids = int | npt.ArrayLike


class Sessions:
    """Streams of inputs through one model, each with states of its own.

    A model that was trained on whole sequences answers here after every step, and is told the new inputs alone. What it
    answers after n steps, in whatever pieces they came, is what `predict` answers for these n steps, to the bit where
    that multiplies by tiles (``FASTGRU_PRODUCTS=tiles``), as sessions always do.

    Parameters
    ----------
    model : Sequential or Functional
        Built, with one input: sequences (batch, timesteps, features), or word ids (batch, timesteps). Recurrent layers
        that go forward, causal `Conv1D`, and layers that treat each step alike stream. Behind a recurrent layer that
        returns its last output alone any layer may stand: it takes the answer so far. That a layer is `stateful` makes
        no difference.
    capacity : int
        How many sessions can be open at once.
    ttl : float, optional
        After so many seconds without a step a session expires: its id is refused, its slot is taken by a new one where
        there is no other. None: sessions stay until they are closed.
    clock : callable
        The time in seconds.

    Attributes
    ----------
    model : Sequential or Functional
    capacity : int

    Raises
    ------
    ValueError
        The model cannot stream; the message names the layer and the reason.

    Notes
    -----
    Threads may share it; one session can be stepped by one call at a time. New weights of the model, by `set_weights`,
    `load_weights` or `fit`, hold from the next step on, and sessions keep their states.
    """

    def __init__(
        self, model: Any, capacity: int, ttl: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.model = model
        self.capacity = checks.positive_integer(capacity, "Sessions", "capacity")
        if ttl is not None and not checks.number(ttl, "Sessions", "ttl") > 0:
            raise ValueError(f"Sessions: ttl must be a number of seconds above 0, or None, got {ttl!r}.")
        self.plan: Plan = plan_of(model)
        self._passes = Passes(self.plan)
        self._slots = Slots(self.capacity, ttl, checks.function(clock, "Sessions", "clock"))
        self._states = np.zeros((self.capacity, self.plan.state_numbers), self.plan.dtype)
        source = model.inputs[0]
        self._dtype, self._step_shape = model.input_dtype, source.shape[2:]

    def __len__(self) -> int:
        """How many sessions are open."""
        return len(self._slots)

    def open(self) -> int:
        """Begin a session, and return its id.

        Raises
        ------
        RuntimeError
            `capacity` sessions are open.
        """
        return int(self._opened(np.zeros((1, self.plan.state_numbers), self.plan.dtype))[0])

    def step(self, ids: Ids, x: Any, out: Any = None) -> Any:
        """What the model answers to the next inputs of sessions.

        Parameters
        ----------
        ids : int, or (k,) array_like of int
            Of k sessions, in any order.
        x : (k, ...) or (k, n, ...) array_like
            For each session the input of one step, or of n steps: features (k, F) or (k, n, F), word ids (k,) or
            (k, n).
        out : ndarray, or a list of them where the model has several outputs, optional
            Where the answer goes: of its shape and dtype.

        Returns
        -------
        (k, ...) or (k, n, ...) ndarray
            The answer after each step; a list or dict of them where the model has several outputs.

        Raises
        ------
        ValueError
            An id is unknown, closed, expired, in use or there twice, or a shape does not fit. No session has made a
            step then.
        """
        slots = self._slots.claim(ids, "Sessions.step")
        stepped = False
        try:
            inputs, is_single = self._inputs(x, len(slots))
            outs = self._outs(out, inputs.shape[:1] if is_single else inputs.shape[:2])
            if inputs.shape[0] and inputs.shape[1]:
                answers, states = self._passes.run(inputs, self._states[slots])
                for answer, one in zip(answers, outs, strict=True):
                    one[...] = answer[:, 0] if is_single else answer
                self._states[slots] = states
            stepped = True
        finally:
            self._slots.release(slots, stepped=stepped)
        return self.model.as_structure(outs) if out is None else out

    def close(self, ids: Ids) -> None:
        """End sessions: their ids are nobody's any more."""
        self._slots.release(self._slots.claim(ids, "Sessions.close"), closed=True)

    def reset(self, ids: Ids) -> None:
        """Put sessions back to their beginning."""
        with self._claimed(ids, "Sessions.reset") as slots:
            self._states[slots] = 0

    def snapshot(self, ids: Ids) -> bytes:
        """The states of sessions as bytes, which stay what they are when the sessions go on.

        They are bound to the model: its layers, what these compute, and the shapes of its weights, not the weights'
        numbers, so that they outlive a retrained model as open sessions do.
        """
        with self._claimed(ids, "Sessions.snapshot") as slots:
            return snapshots.written(self.plan, self._states[slots])

    def restore(self, snapshot: bytes) -> list[int]:
        """New sessions that go on from a snapshot, in its order.

        Parameters
        ----------
        snapshot : bytes
            It may come from another process or machine.

        Raises
        ------
        ValueError
            It is damaged, of another version or another model.
        RuntimeError
            There is no capacity for all of them; none is opened then.
        """
        return [int(one) for one in self._opened(snapshots.read(self.plan, snapshot))]

    def fork(self, session: int) -> int:
        """A new session that goes on from where one is."""
        with self._claimed([session], "Sessions.fork") as slots:
            return int(self._opened(self._states[slots])[0])

    @contextmanager
    def _claimed(self, ids: Ids, where: str) -> Iterator[Array]:
        slots = self._slots.claim(ids, where)
        try:
            yield slots
        finally:
            self._slots.release(slots)

    def _opened(self, states: Array) -> Array:
        """The ids of new sessions with these states (k, state_numbers)."""
        ids = self._slots.open(len(states))
        slots = ids & 0xFFFFFFFF
        self._states[slots] = states
        self._slots.release(slots)
        return ids

    def _inputs(self, x: Any, count: int) -> tuple[Array, bool]:
        """The inputs (k, n, ...) as the model reads them, and whether they came as (k, ...), for one step."""
        array = kernels.contiguous(checks.real_numbers(x, "Sessions.step, x"), self._dtype)
        is_single = array.ndim == 1 + len(self._step_shape)
        inputs = array[:, None] if is_single else array
        sizes = zip(self._step_shape, inputs.shape[2:], strict=False)
        fits = inputs.ndim == 2 + len(self._step_shape) and all(known in (None, size) for known, size in sizes)
        if not fits or len(inputs) != count:
            step = ", ".join(map(str, self._step_shape))
            raise ValueError(
                f"Sessions.step: expected x of shape {_shape(count, step)} for one step of {count} sessions, or "
                f"{_shape(count, 'n', step)} for n of them, got {array.shape}."
            )
        return inputs, is_single

    def _outs(self, out: Any, leading: tuple[int, ...]) -> list[Array]:
        """Where the answers go: new arrays, or those of `out`, checked."""
        expected = [((*leading, *entry.shape), entry.layer.dtype) for entry in self.plan.end_entries]
        if out is None:
            return [np.empty(shape, dtype) for shape, dtype in expected]
        outs = self.model.in_order(out) if isinstance(out, (list, tuple)) else [out]
        if [(getattr(one, "shape", None), getattr(one, "dtype", None)) for one in outs] != expected:
            raise ValueError(
                f"Sessions.step: expected out of {expected}, got {[getattr(o, 'shape', o) for o in outs]}."
            )
        if not all(one.flags.writeable for one in outs):
            raise ValueError("Sessions.step: out is read-only; give an array that can be written.")
        return outs


def _shape(*sizes: Any) -> str:
    return f"({', '.join(str(size) for size in sizes if size != '')}{',' if sizes[1:] in ((), ('',)) else ''})"
