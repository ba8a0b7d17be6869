"""The random numbers of the package: one stream, seeded by `fastgru.utils.set_random_seed`."""

from __future__ import annotations

import numpy as np

__all__ = ["generator", "seed_stream", "stream"]

_stream = np.random.default_rng()


def seed_stream(seed: int) -> None:
    """Start the package's stream anew."""
    global _stream
    _stream = np.random.default_rng(seed)


def stream() -> np.random.Generator:
    """The package's stream: initial weights, shuffling and dropout draw from it unless they have their own seed."""
    return _stream


def generator(seed: int | None) -> np.random.Generator:
    """A generator of its own for a seed, the package's stream for None."""
    return _stream if seed is None else np.random.default_rng(seed)
