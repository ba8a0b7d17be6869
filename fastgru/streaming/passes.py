"""The steps of sessions through the layers' own compiled calls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru import config
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.weight import Publication, Weight, capture, published
from fastgru.layers.workspace import Call, Workspaces
from fastgru.streaming.compiled import NotCompiled, compiled
from fastgru.streaming.plan import Entry, Plan
from fastgru.types import Array

__all__ = ["Passes"]


class Passes:
    """Runs a plan layer by layer; threads may share it.

    Parameters
    ----------
    plan : Plan
    sessions : Slots
        Those of the kernels, which step them by themselves where they can.
    """

    def __init__(self, plan: Plan, sessions: Any) -> None:
        self.plan = plan
        self.as_outputs: Callable[[list[Array]], Any] = plan.model.as_structure
        # whether the answer is one array, as the kernels make it
        self.is_plain = len(plan.ends) == 1 and self.as_outputs([plan]) is plan
        self._sessions = sessions
        self._reason: str | None = None
        self._weights: list[Weight] = plan.model.weights
        self._workspaces = Workspaces()
        self._stream: tuple[Publication | None, dict[Weight, Array], Any] = (None, {}, None)

    def stream(self) -> Any:
        """The plan as the kernels step it by themselves, with the weights of now; None where they cannot."""
        publication, _, stream = self._stream
        return stream if publication is published.current else self._new_stream()

    def reason_against_stream(self) -> str | None:
        """Why the layers run one by one; None where the kernels step the plan by themselves."""
        return self._reason if self.stream() is None else None

    def _new_stream(self) -> Any:
        publication, values = capture(self._weights)
        _, before, stream = self._stream
        if not before or any(values[weight] is not before[weight] for weight in self._weights):
            call = Call()
            call.version.values = values
            try:
                with config.tiles_in_this_thread():
                    stream = compiled(self.plan, call)
                stream.bind(self._sessions)
            except NotCompiled as reason:
                stream, self._reason = None, str(reason)
        self._stream = publication, values, stream
        return stream

    def run(self, x: Array, states: Array) -> tuple[list[Array], Array]:
        """What the model answers after each of n steps of k sessions, and their states after the last.

        Parameters
        ----------
        x : (k, n, ...) ndarray
            None of k and n is 0.
        states : (k, state_numbers) ndarray

        Returns
        -------
        list of (k, n, ...) ndarray
            In memory that the next run of this thread uses again.
        (k, state_numbers) ndarray
        """
        call = self._acquired_call()
        try:
            with config.tiles_in_this_thread():
                return self._run(call, x, states)
        finally:
            call.version.values = None
            self._workspaces.call = call

    def _run(self, call: Call, x: Array, states: Array) -> tuple[list[Array], Array]:
        steps = x.shape[:2]
        new = np.empty_like(states)
        values: list[Any] = [x, *[None] * len(self.plan.entries)]
        masks: list[Array | None] = [None] * len(values)
        for index, entry in enumerate(self.plan.entries):
            child = call.child(index)
            arrays = entry.layer.as_inputs([values[number] for number in entry.inputs])
            if entry.masks is None:
                child.masks = tuple([masks[number] for number in entry.inputs])
            else:
                child.masks = tuple([None if number is None else values[number] for number in entry.masks])
            if entry.width:
                mine = slice(entry.offset, entry.offset + entry.width)
                y = _with_states(entry, child, arrays[0], states[:, mine], new[:, mine])
            else:
                y = entry.layer.forward(child, *arrays)
            values[entry.output] = y
            if entry.gives_rows and not entry.takes_rows:
                values[entry.output] = y.reshape(math.prod(steps), *entry.shape)
            else:
                masks[entry.output] = entry.layer.outgoing_mask(child, *arrays)
        ends = self.plan.end_entries
        return [values[entry.output].reshape(*steps, *entry.shape) for entry in ends], new

    def _acquired_call(self) -> Call:
        """The calling thread's memory, with one version of the weights to read, as `Layer._acquired_call` has it."""
        call, self._workspaces.call = self._workspaces.call or Call(), None
        call.version.values = self.plan.model.latest_values()
        return call


def _with_states(entry: Entry, call: Call, x: Array, states: Array, new: Array) -> Array:
    """The output of a layer that goes on from these states, and leaves new ones in `new`."""
    layer = entry.layer
    if isinstance(layer, Recurrent):
        parts = [states[:, begin : begin + layer.units] for begin in range(0, entry.width, layer.units)]
        y, *lasts = layer.forward(call, x, *(np.ascontiguousarray(part, layer.dtype) for part in parts))
        np.concatenate(lasts, axis=1, out=new)
        return np.asarray(y)
    steps = states.reshape(len(x), -1, x.shape[2])  # of a causal convolution: the steps that its first window covers
    steps = np.concatenate([steps, x], axis=1, dtype=layer.dtype)
    new[...] = steps[:, x.shape[1] :].reshape(new.shape)
    return np.asarray(layer.forward(call, steps))
