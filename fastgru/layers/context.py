"""What a thread is in the middle of: the layers that it calls, whether they train, and whether they assign weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Context", "assigning", "context", "inside", "watching"]


class Context(threading.local):
    """The innermost call of a layer with a `call` in this thread.

    Attributes
    ----------
    depth : int
        How many of them stand one in another.
    training : bool or None
        What a layer inside takes where nobody says it; None outside of any.
    assigns : bool
        Whether weights take what is assigned to them: a `call` that runs for the shapes of its outputs changes nothing.
    watch : callable or None
        Is told of each layer that is called on arrays, with the call that holds what its forward pass left.
    share : Share or None
        Which rows of a batch that several processes share are computed.
    version : Version or None
        Which numbers of the weights the outermost of them reads, and so all that it calls; None outside of any.
    """

    depth = 0
    training: bool | None = None
    assigns = True
    watch: Callable[[Any, Any], None] | None = None
    share: Any = None
    version: Any = None

    def called(self, layer: Any, call: Any) -> None:
        """Tell whoever watches."""
        if self.watch is not None:
            self.watch(layer, call)


context = Context()


@contextmanager
def inside(training: bool, version: Any) -> Iterator[Any]:
    """Inside, layers train as this says and read this version of the weights."""
    before = context.depth, context.training, context.version
    context.depth, context.training, context.version = before[0] + 1, training, version
    try:
        yield context
    finally:
        context.depth, context.training, context.version = before


@contextmanager
def assigning(assigns: bool) -> Iterator[None]:
    """Inside, weights take what is assigned to them, or do not."""
    before, context.assigns = context.assigns, assigns
    try:
        yield
    finally:
        context.assigns = before


@contextmanager
def watching(watch: Callable[[Any, Any], None]) -> Iterator[None]:
    """Inside, the function is told of the layers that are called."""
    before, context.watch = context.watch, watch
    try:
        yield
    finally:
        context.watch = before
