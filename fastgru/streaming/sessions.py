"""Sessions: a model that answers step by step, for each of many users from where that one was."""

from __future__ import annotations

import functools
import itertools
import os
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, kernels, threads
from fastgru.streaming import snapshots
from fastgru.streaming.passes import Passes
from fastgru.streaming.plan import Plan, plan_of
from fastgru.types import Array

__all__ = ["Sessions"]

Ids = int | npt.ArrayLike
_all: weakref.WeakSet[Sessions] = weakref.WeakSet()


def _forked() -> None:
    """The threads that were at work on sessions are not in the child."""
    for sessions in _all:
        sessions._slots.in_use[:] = False


os.register_at_fork(after_in_child=_forked)


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
    in_python : str or None
        Why steps go through Python layer by layer, to the same bits; None where the kernels make them alone.

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
        self._slots = kernels.module(plan.dtype).Slots(
            self.capacity, plan.state_numbers, ttl, checks.function(clock, "Sessions", "clock")
        )
        self._passes = Passes(plan, self._slots)
        _all.add(self)

    @property
    def plan(self) -> Plan:
        """What runs for each step, and where the states are."""
        return self._passes.plan

    @property
    def model(self) -> Any:
        return self.plan.model

    @property
    def in_python(self) -> str | None:
        """Why steps go through Python layer by layer; None where the kernels step the model by themselves."""
        return self._passes.reason_against_stream()

    def __repr__(self) -> str:
        where = "in the kernels" if self.in_python is None else f"in Python: {self.in_python}"
        return f"<Sessions of {self.model.name!r}: {len(self)} of {self.capacity} open, steps {where}>"

    def __len__(self) -> int:
        """How many sessions are open."""
        return self._slots.count()

    def open(self) -> int:
        """Begin a session, and return its id.

        Raises
        ------
        RuntimeError
            `capacity` sessions are open.
        """
        return self._slots.open()

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
        if stream is not None:
            answer = stream.step(ids, x, out)
            if answer is not None:
                return answer if out is not None or passes.is_plain else passes.as_outputs(_parts(passes.plan, answer))
        return self._slots.hold(ids, functools.partial(self._step, passes, stream, x, out))

    def _step(self, passes: Passes, stream: Any, x: Any, out: Any, slots: Array) -> Any:
        """The step of sessions that no other call can have."""
        inputs, is_single = _inputs(passes.plan.model, x, len(slots))
        outs = _outs(passes.plan, out, inputs.shape[:1] if is_single else inputs.shape[:2])
        if inputs.shape[0] and inputs.shape[1]:
            states = self._slots.states
            if (answers := _streamed(passes.plan, stream, slots, inputs)) is None:
                answers, states[slots] = passes.run(inputs, states[slots])
            for made, one in zip(answers, outs, strict=True):
                one[...] = made[:, 0] if is_single else made
        return passes.as_outputs(outs) if out is None else out

    def close(self, ids: Ids) -> None:
        """End sessions: their ids are nobody's any more."""
        self._slots.close(ids)

    def reset(self, ids: Ids) -> None:
        """Put sessions back to their beginning."""
        self._slots.reset(ids)

    def snapshot(self, ids: Ids) -> bytes:
        """The states of sessions as bytes, which stay what they are when the sessions go on.

        They are bound to the model: its layers, what these compute, and the shapes of its weights, not the weights'
        numbers, so that they outlive a retrained model as open sessions do.
        """
        return snapshots.written(self.plan, self._slots.read(ids, "Sessions.snapshot"))

    def restore(self, snapshot: bytes | bytearray | memoryview) -> list[int]:
        """New sessions that go on from a snapshot, in its order.

        Parameters
        ----------
        snapshot : bytes, bytearray or memoryview
            It may come from another process or machine.

        Raises
        ------
        ValueError
            It is damaged, of another version or another model.
        RuntimeError
            There is no capacity for all of them; none is opened then.
        """
        return self._slots.open_from(snapshots.read(self.plan, snapshot))

    def fork(self, session: int) -> int:
        """A new session that goes on from where one is."""
        return self._slots.open_from(self._slots.read([session], "Sessions.fork"))[0]

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
        self._passes = Passes(plan, self._slots)


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
