"""The random numbers of the package: one stream, seeded by `fastgru.utils.set_random_seed`, and Keras's functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

import fastgru

# they stand on the ops, which stand on this module, and are reached through the package's lazy door
_OF_KERAS = [
    *("SeedGenerator", "beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint", "shuffle"),
    *("truncated_normal", "uniform"),
]
__all__ = [*_OF_KERAS, "drawing_from", "generator", "seed_stream", "stream", "stream_seed"]

_stream: np.random.Generator | None = None  # made when it is asked for: numpy.random takes its time to import
_seed: int | None = None

_scoped: ContextVar[np.random.Generator | None] = ContextVar("drawing_from", default=None)


@contextmanager
def drawing_from(source: np.random.Generator) -> Iterator[None]:
    """Inside, this thread draws from `source` where it would draw from the package's stream, which stays untouched."""
    token = _scoped.set(source)
    try:
        yield
    finally:
        _scoped.reset(token)


def seed_stream(seed: int) -> None:
    """Start the package's stream anew."""
    global _stream, _seed
    _stream, _seed = np.random.default_rng(seed), seed


def stream_seed() -> int | None:
    """The seed that the package's stream was started with; None where nobody gave one."""
    return _seed


def stream() -> np.random.Generator:
    """The package's stream: initial weights, shuffling and dropout draw from it unless they have their own seed."""
    global _stream
    scoped = _scoped.get()
    if scoped is not None:
        return scoped
    if _stream is None:
        _stream = np.random.default_rng()
    return _stream


def generator(seed: int | None) -> np.random.Generator:
    """A generator of its own for a seed, the package's stream for None."""
    return stream() if seed is None else np.random.default_rng(seed)


def __getattr__(name: str) -> Any:
    if name in _OF_KERAS:
        return getattr(fastgru.sampling, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
