"""A built-in layer under a gradient tape: one entry, with its compiled forward and backward pass."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from threading import RLock
from typing import Any

import numpy as np

from fastgru import random
from fastgru.autodiff.recording import record
from fastgru.autodiff.tensor import tensor
from fastgru.layers.penalties import run_backward, run_forward
from fastgru.layers.workspace import Call
from fastgru.types import Array

__all__ = ["run_recorded"]

# `Weight.gradient` belongs to whoever is on the way back
_gradients = RLock()


def _forked() -> None:
    global _gradients
    _gradients = RLock()  # the thread that held it is not in the child


os.register_at_fork(after_in_child=_forked)


class _Pull:
    """The way back through one application of a layer, whose call is free for another when this is gone.

    A second time, for a persistent tape, the layer runs once more: kernels write over what its forward pass left.
    """

    __slots__ = ("_arrays", "_call", "_layer", "_outputs", "_reads", "_states", "_used", "_weights")

    def __init__(self, layer: Any, call: Call, arrays: Sequence[Array], weights: Sequence[Any]) -> None:
        self._layer, self._call, self._arrays, self._weights = layer, call, arrays, weights
        self._states = [(stream, stream.bit_generator.state) for stream in _streams(layer)] if call.training else []
        self._outputs: list[Any] = []
        self._reads: list[Any] = []  # the states that stateful layers went on from
        self._used = False

    def run(self) -> tuple[list[Any], bool]:
        """The outputs as new tensors, and whether there are several."""
        version = self._call.version.outer or self._call.version
        before = 0 if version.transaction is None else len(version.transaction.reads)
        results, _ = run_forward(self._layer, self._call, *self._arrays)
        if version.transaction is not None:
            self._reads = version.transaction.reads[before:]
        several = isinstance(results, (tuple, list))
        self._outputs = [tensor(np.array(part)) for part in (results if several else [results])]
        return self._outputs, several

    def _run_again(self) -> None:
        """The same forward pass, with the same random numbers and states, which moves no statistics."""
        now = [stream.bit_generator.state for stream, _ in self._states]
        version = self._call.version
        updates, version.updates = version.updates, {}
        if self._reads:
            from fastgru.layers.rnn.session import Replay

            version.outer, version.transaction = None, Replay(self._reads)
        try:
            for stream, state in self._states:
                stream.bit_generator.state = state
            run_forward(self._layer, self._call, *self._arrays)
        finally:
            version.updates, version.transaction = updates, None
            for (stream, _), state in zip(self._states, now, strict=True):
                stream.bit_generator.state = state

    def __call__(self, *d_outputs: Array | None) -> Sequence[Any]:
        if self._used:
            self._run_again()
        self._used = True
        # kernels read whole gradients, in order
        ds = [
            np.zeros(y.shape, y.dtype) if d is None else np.ascontiguousarray(d, y.dtype)
            for d, y in zip(d_outputs, self._outputs, strict=True)
        ]
        with _gradients:
            before = [weight.gradient for weight in self._weights]
            own = [np.zeros(weight.shape, weight.dtype) for weight in self._weights]
            try:
                for weight, gradient in zip(self._weights, own, strict=True):
                    weight.gradient = gradient
                d_inputs = run_backward(self._layer, self._call, *ds)
            finally:
                for weight, gradient in zip(self._weights, before, strict=True):
                    weight.gradient = gradient
        # copies: the call's memory is the next one's, too
        parts = d_inputs if isinstance(d_inputs, tuple) else (d_inputs,)
        return [*(None if d is None else np.array(d) for d in parts), *own]

    def __del__(self) -> None:
        self._layer._workspaces.recorded.append(self._call)


def run_recorded(
    layer: Any, call: Call, sources: Sequence[Any], arrays: Sequence[Array], weights: Sequence[Any]
) -> Any:
    """The outputs of a layer, as tensors from which gradients come back to its inputs and trainable weights.

    Parameters
    ----------
    layer : Layer
    call : Call
        For nobody else, until the record of it is gone.
    sources : sequence
        The inputs as they came, which a tape may follow.
    arrays : sequence of ndarray
        The same as the layer computes on them.
    weights : sequence of Weight
        Those that are trained.
    """
    # the way back reads the inputs: the caller's own array may hold other numbers by then
    arrays = [
        np.array(array) if type(source) is np.ndarray and np.may_share_memory(array, source) else array
        for array, source in zip(arrays, sources, strict=True)
    ]
    pull = _Pull(layer, call, arrays, weights)
    outputs, several = pull.run()
    record(tuple(outputs), (*sources, *weights), pull)
    return outputs if several else outputs[0]


def _streams(layer: Any) -> Iterator[np.random.Generator]:
    """The random numbers that a layer and those inside may draw from."""
    yield random.stream()
    layers = [layer]
    for one in layers:
        if getattr(one, "_seeded", None) is not None:
            yield one._seeded
        layers.extend(one.sublayers)
