"""Samples and a model that train in no time: 44 of them, which no batch size used with them divides."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential

N, T, F = 44, 5, 3  # 44 samples: no batch size used here divides it


def inputs(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(N, T, F)).astype("float32")


def half(rng: np.random.Generator) -> np.ndarray:
    return (rng.random((N, 1)) > 0.5).astype("float32")


def labels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 3, N)


def small(**compiled: Any) -> Sequential:
    model = Sequential([Input((T, F)), GRU(4), Dense(1, activation="sigmoid")])
    model.compile(**({"optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["accuracy"]} | compiled))
    return model
