"""The engines that race, one module each.

A module offers ``versions()`` and, for each kind of job that the engine can do, one function; a job says which it
needs. So far: ``trainer(units, classes, shape, batch_size, threads)`` returns a `Trainer`.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


class Trainer(Protocol):
    """A GRU classifier with softmax cross-entropy and Adam as Keras sets it up by default."""

    def epoch(self, x: Floats, y: Labels) -> None:
        """Train once over all samples in an order drawn anew."""

    def accuracy(self, x: Floats, y: Labels) -> float:
        """Share of the samples whose class is predicted."""


class Entry(NamedTuple):
    """How an engine is called, and the packages it needs."""

    title: str
    needs: tuple[str, ...]


ENGINES = {
    "fastgru": Entry("fastgru", ("fastgru",)),
    "keras_jax": Entry("Keras on JAX", ("keras", "jax")),
    "pytorch": Entry("PyTorch nn.GRU", ("torch",)),
}


def missing(name: str) -> list[str]:
    """The packages that an engine needs and that are not installed."""
    return [package for package in ENGINES[name].needs if importlib.util.find_spec(package) is None]


def load(name: str) -> Any:
    """The engine's module; imports the engine itself."""
    return importlib.import_module(f"bench.engines.{name}")
