"""The memory that a layer works in: one `Call` for each thread that runs it."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import kernels
from fastgru.layers.context import context
from fastgru.layers.weight import Weight, publish
from fastgru.types import Array

__all__ = ["Call", "Version", "Workspaces", "aligned_empty"]

_WHOLE = (-1,)  # no array's shape: where a call keeps the memory that its views are parts of
_VIEWS = 64  # of one memory that a call keeps


def aligned_empty(size: int, dtype: npt.DTypeLike) -> Array:
    """A new array of `size` numbers that begins on a cache line: a vector that straddles two costs two reads."""
    line = 64
    memory = np.empty(size + line, dtype)  # enough for numbers of one byte
    begin = -kernels.address(memory) % line // memory.itemsize
    return memory[begin : begin + size]


class Version:
    """Which numbers of the weights a call and all its children read.

    Attributes
    ----------
    values : mapping or None
        One version of the weights; None for what each weight shows when it is asked, as training reads it.
    updates : dict or None
        Where a layer's new statistics wait for the optimizer's new weights, to be shown with them; None shows them at
        once.
    outer : Version or None
        That of the outermost `call` of a layer that this call stands in.
    transaction : Transaction or None
        Of the outermost call: what stateful layers in it read and leave, see `fastgru.layers.rnn.session`; None where
        none has run.
    """

    __slots__ = ("outer", "transaction", "updates", "values")

    def __init__(self, values: Mapping[Weight, Array] | None = None, outer: Version | None = None) -> None:
        self.values = values
        self.updates: dict[Weight, Array] | None = None
        self.outer = outer
        self.transaction: Any = None

    def latest(self, weight: Weight) -> Array:
        """What the next update of a weight goes on from."""
        return weight.value if self.updates is None else self.updates.get(weight, weight.value)

    def update(self, values: Mapping[Weight, Array]) -> None:
        """Show new arrays of these weights, as `publish` does, with those of the training step where there is one."""
        if not context.assigns:
            return
        if self.updates is None:
            publish(values)
        else:
            self.updates.update(values)

    def commit(self) -> None:
        """Show the states that stateful layers have left; in a call inside another that one does."""
        if self.transaction is not None:
            self.transaction.commit()

    def forget(self) -> None:
        """End the transaction: what was left and not shown is gone."""
        if self.transaction is not None:
            self.transaction.end()
            self.transaction = None


class Call:
    """One application of a layer: how it runs, what forward leaves for backward, and the memory both reuse.

    Attributes
    ----------
    training : bool
        Keras's `training`: dropout drops, statistics update.
    differentiate : bool
        A backward pass will follow: keep what it needs in `saved`.
    input_gradient : bool
        Somebody wants the gradient of the inputs; `backward` may return None where it is False.
    masks : tuple
        For each input its mask, a (B, T) bool ndarray, True where a step counts, or None; may be shorter than the
        inputs.
    mask : (B, T) bool ndarray or None
        That of the first input.
    saved : dict
        What the layer's last forward pass left for its backward pass, under names of its own.
    penalty : float
        What the activity regularizers of the layers inside add to the loss; a layer that runs others sets it.
    regularized : tuple of ndarray
        The outputs of which the layer's own activity regularizer wants to know the gradients.
    output_mask : (B, T) bool ndarray or None, or a tuple of them
        What a model's `outgoing_mask` returns: the masks of the layers that its outputs are of.
    version : Version
        What this call and its children read the weights from.
    arguments : (tuple, dict) or None
        As `Node.arguments`, of the node that runs.
    """

    __slots__ = (
        "_buffers", "_children", "arguments", "differentiate", "input_gradient", "masks", "output_mask", "penalty",
        "regularized", "saved", "training", "version",
    )  # fmt: skip

    def __init__(self, training: bool = False, differentiate: bool = False) -> None:
        self.training = training
        self.differentiate = differentiate
        self.input_gradient = True
        self.masks: tuple[Array | None, ...] = ()
        self.saved: dict[str, Any] = {}
        self.penalty = 0.0
        self.regularized: tuple[Array, ...] = ()
        self.output_mask: Any = None
        self.arguments: Any = None
        self._buffers: dict[tuple[str, str], dict[tuple[int, ...], Array]] = {}
        self._children: dict[int, Call] = {}
        self.version = Version()

    @staticmethod
    def handing_on(mask: Array | None) -> Call:
        """A call for `outgoing_mask` of a layer that did not see the mask, which goes on behind it."""
        call = Call()
        call.masks = (mask,)
        return call

    def value(self, weight: Weight) -> Array:
        """The numbers of a weight in the version that this call reads."""
        values = self.version.values
        if values is None or (value := values.get(weight)) is None:  # a layer that the model does not list
            return weight.value
        return value

    @property
    def mask(self) -> Array | None:
        return self.masks[0] if self.masks else None

    @mask.setter
    def mask(self, mask: Array | None) -> None:
        self.masks = (mask,)

    def buffer(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        """Memory that lives as long as the call and is handed out again for the same name: contents undefined.

        Equal shapes get the same array; smaller ones a part of the memory of the largest so far.
        """
        views = self._buffers.get((name, dtype))
        if views is None:
            views = self._buffers[name, dtype] = {}
        array = views.get(shape)
        if array is None:
            size = math.prod(shape)
            memory = views.get(_WHOLE)
            if memory is None or memory.size < size:
                memory = aligned_empty(size, dtype)
                views.clear()
            elif len(views) > _VIEWS:
                views.clear()
            views[_WHOLE] = memory
            array = views[shape] = memory[:size].reshape(shape)
        return array

    def contiguous(self, name: str, x: Array) -> Array:
        """`x` itself where its memory is in one piece and in order, else its copy in memory of that name."""
        if x.flags.c_contiguous:
            return x
        copy = self.buffer(name, x.shape, str(x.dtype))
        copy[...] = x
        return copy

    def child(self, index: int) -> Call:
        """The call of the index-th inner layer, running the way this one runs."""
        call = self._children.get(index)
        if call is None:
            call = self._children[index] = Call()
            call.version = self.version
        call.training = self.training
        call.differentiate = self.differentiate
        return call


class Workspaces(threading.local):
    """A call for each thread, absent while it is in use; a copy of it starts without, for memory cannot be shared."""

    call: Call | None = None

    def __init__(self) -> None:
        self.recorded: list[Call] = []  # those that a gradient tape is done with

    def __reduce__(self) -> tuple[type[Workspaces], tuple[()]]:
        return Workspaces, ()
