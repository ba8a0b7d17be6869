"""Sessions: a model that answers step by step, for each of many users from where that one was."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, kernels, threads
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
        self.capacity = checks.count(capacity, "Sessions", "capacity", least=1)
        if ttl is not None and not checks.number(ttl, "Sessions", "ttl") > 0:
            raise ValueError(f"Sessions: ttl must be a number of seconds above 0, or None, got {ttl!r}.")
        plan = plan_of(model)
        self._slots = Slots(self.capacity, ttl, checks.function(clock, "Sessions", "clock"))
        self._states = np.zeros((self.capacity, plan.state_numbers), plan.dtype)
        self._passes = Passes(plan, self._bind)

    @property
    def plan(self) -> Plan:
        """What runs for each step, and where the states are."""
        return self._passes.plan

    @property
    def model(self) -> Any:
        return self.plan.model

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
        passes = self._passes
        stream = passes.stream()
        # short and plain calls are the kernels' alone; what they do not take is looked at here
        if stream is not None and (passes.is_plain or out is None):
            answer = stream.step(ids, x, out)
            if answer is not None:
                return answer if passes.is_plain else passes.plan.model.as_structure(_parts(passes.plan, answer))
        slots = self._slots.claim(ids, "Sessions.step")
        stepped = False
        try:
            inputs, is_single = _inputs(passes.plan.model, x, len(slots))
            outs = _outs(passes.plan, out, inputs.shape[:1] if is_single else inputs.shape[:2])
            if inputs.shape[0] and inputs.shape[1]:
                if (answers := _streamed(passes.plan, stream, slots, inputs)) is None:
                    answers, self._states[slots] = passes.run(inputs, self._states[slots])
                for made, one in zip(answers, outs, strict=True):
                    one[...] = made[:, 0] if is_single else made
            stepped = True
        finally:
            self._slots.release(slots, stepped=stepped)
        return passes.plan.model.as_structure(outs) if out is None else out

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

    def reload(self, model: Any) -> None:
        """Go on with another model of the same layers and shapes: all sessions stay open and keep their states.

        Steps that have begun end with the model before.

        Raises
        ------
        ValueError
            The model has other layers, or other shapes of weights; everything stays as it was.
        """
        plan = plan_of(model)
        if plan.fingerprint != self.plan.fingerprint:
            raise ValueError(
                f"Sessions.reload: model {model.name!r} has other layers or shapes than {self.model.name!r} and "
                "cannot go on from its states; make new Sessions of it."
            )
        self._passes = Passes(plan, self._bind)

    def _bind(self, stream: Any) -> None:
        """Tell a stream of the kernels of the sessions that it steps."""
        slots = self._slots
        stream.bind(self._states, slots.ids, slots.in_use, slots.last_steps, slots.ttl, slots.clock)

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


def _inputs(model: Any, x: Any, count: int) -> tuple[Array, bool]:
    """The inputs (k, n, ...) as the model reads them, and whether they came as (k, ...), for one step."""
    sizes = model.inputs[0].shape[2:]
    array = kernels.contiguous(checks.real_numbers(x, "Sessions.step, x"), model.input_dtype)
    is_single = array.ndim == 1 + len(sizes)
    inputs = array[:, None] if is_single else array
    fits = all(known in (None, size) for known, size in zip(sizes, inputs.shape[2:], strict=False))
    if inputs.ndim != 2 + len(sizes) or not fits or len(inputs) != count:
        expected = ", ".join(map(str, sizes))
        raise ValueError(
            f"Sessions.step: expected x for {count} sessions of shape ({count}, {expected}) for one step, or "
            f"({count}, n, {expected}) for n steps, got {array.shape}."
        )
    return inputs, is_single


def _streamed(plan: Plan, stream: Any, slots: Array, inputs: Array) -> list[Array] | None:
    """The answers (k, n, ...) of a stream that these sessions are claimed for; None where it cannot step them."""
    if stream is None:
        return None
    if stream.tokens:
        inputs = plan.entries[0].layer.as_input(inputs)
        if inputs.min() < 0 or inputs.max() >= stream.tokens:
            return None  # the layer says which is no word of its
        inputs = inputs.astype(np.int64)
    answers = np.empty((*inputs.shape[:2], sum(entry.shape[0] for entry in plan.end_entries)), plan.dtype)
    stream.run(
        slots, np.ascontiguousarray(inputs, None if stream.tokens else plan.dtype), answers, threads.get_num_threads()
    )
    return _parts(plan, answers)


def _parts(plan: Plan, answers: Array) -> list[Array]:
    """The outputs, which stand one behind the other in a stream's rows."""
    stops = itertools.accumulate(entry.shape[0] for entry in plan.end_entries)
    return [answers[..., stop - entry.shape[0] : stop] for stop, entry in zip(stops, plan.end_entries, strict=True)]


def _outs(plan: Plan, out: Any, leading: tuple[int, ...]) -> list[Array]:
    """Where the answers go: new arrays, or those of `out`, checked."""
    expected = [((*leading, *entry.shape), entry.layer.dtype) for entry in plan.end_entries]
    if out is None:
        return [np.empty(shape, dtype) for shape, dtype in expected]
    outs = list(out) if isinstance(out, (list, tuple)) else [out]
    if not all(isinstance(one, np.ndarray) and one.flags.writeable for one in outs):
        raise ValueError(f"Sessions.step: expected out to be a writeable array, got {out!r}.")
    if [(one.shape, one.dtype.name) for one in outs] != expected:
        came = [(one.shape, one.dtype.name) for one in outs]
        raise ValueError(f"Sessions.step: expected out of shape and dtype {expected}, got {came}.")
    return outs
