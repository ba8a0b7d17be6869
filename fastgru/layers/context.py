"""What a thread is in the middle of: the layers that it calls, whether they train, and which weights they read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Context", "context", "inside"]


class Context(threading.local):
    """The innermost call of a layer with a `call` in this thread.

    Attributes
    ----------
    depth : int
        How many of them stand one in another.
    training : bool or None
        What a layer inside takes where nobody says it; None outside of any.
    """

    depth = 0
    training: bool | None = None


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
