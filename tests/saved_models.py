"""Small models to save, and how files of them are compared and edited."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from paths import FILES

from fastgru.layers import GRU, Activation, Dense, Dropout, Input
from fastgru.models import Sequential

ENDINGS = [".keras", ".h5"]


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(FILES / f"{name.split('.')[0]}.npz") as arrays:
        return dict(arrays)


def assert_close(got: np.ndarray, expected: np.ndarray) -> None:
    # not closer for float64: inside a GRU of that dtype Keras on JAX rounds to float32
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-7 if got.dtype == np.float64 else 1e-5)


def small_model(**options: object) -> Sequential:
    model = Sequential([Input((4, 3)), GRU(5, **options), Dropout(0.2), Dense(2), Activation("softmax")])
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


def trained_model(optimizer: object = "adam") -> Sequential:
    model = Sequential([Input((4, 3)), GRU(5, return_sequences=True), GRU(4, reset_after=False), Dense(2)])
    model.compile(optimizer, "mse", metrics=["mae"])
    for _ in range(2):
        model.train_on_batch(*batch())
    return model


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return rng.normal(size=(6, 4, 3)).astype("float32"), rng.normal(size=(6, 2)).astype("float32")


def state(model: Sequential) -> list[np.ndarray]:
    optimizer = [] if model.optimizer is None else [np.array(variable) for variable in model.optimizer.variables]
    return [*model.get_weights(), *optimizer]


def assert_same(got: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def edit_archive(source: Path, target: Path, member: str, change: Callable[[dict], object]) -> Path:
    """A copy of a `.keras` file with one JSON member changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == member:
                content = json.loads(data)
                change(content)
                data = json.dumps(content).encode()
            new.writestr(name, data)
    return target
