"""What a thread is in the middle of: the layers that it calls, whether they train, and whether they assign weights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Context", "assigning", "context", "inside"]


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
    share : Share or None
        Which rows of a batch that several processes share are computed.
    """

    depth = 0
    training: bool | None = None
    assigns = True
    share: Any = None


context = Context()


@contextmanager
def inside(training: bool) -> Iterator[Any]:
    """Inside, layers train as this says."""
    before = context.depth, context.training
    context.depth, context.training = before[0] + 1, training
    try:
        yield context
    finally:
        context.depth, context.training = before


@contextmanager
def assigning(assigns: bool) -> Iterator[None]:
    """Inside, weights take what is assigned to them, or do not."""
    before, context.assigns = context.assigns, assigns
    try:
        yield
    finally:
        context.assigns = before
