"""Layers that draw random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastgru import random
from fastgru.layers.layer import Layer

__all__ = ["Seeded"]


class Seeded(Layer):
    """Base of the layers that draw random numbers: with a `seed` from a stream of their own.

    A subclass declares the option `seed`.
    """

    seed: int | None
    _seeded: np.random.Generator | None = None

    def _set_options(self, arguments: Mapping[str, Any]) -> None:
        super()._set_options(arguments)
        self._seeded = None if self.seed is None else np.random.default_rng(self.seed)

    @property
    def _generator(self) -> np.random.Generator:
        return self._seeded or random.stream()
