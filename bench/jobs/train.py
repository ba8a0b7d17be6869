"""One epoch of MNIST read row by row: GRU(128) over 28 steps of 28 pixels, Dense(10), batch 128, Adam."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.jobs import Prepared

TITLE = "train: one MNIST epoch, GRU 128, batch 128, Adam"
ROUNDS = 5

_UNITS, _CLASSES, _BATCH_SIZE = 128, 10, 128


def data(quick: bool) -> dict[str, npt.NDArray[Any]]:
    """MNIST's bytes; some noise of its form for a quick functional run."""
    if quick:
        noise = np.random.default_rng(0).integers(0, 256, (1000, 28, 28), dtype=np.uint8)
        labels = np.arange(1000) % _CLASSES
        return {"x": noise, "y": labels, "x_test": noise[:100], "y_test": labels[:100]}
    from fastgru.datasets import mnist

    (x, y), (x_test, y_test) = mnist.load_data()
    return {"x": x, "y": y, "x_test": x_test, "y_test": y_test}


def size(arrays: dict[str, npt.NDArray[Any]]) -> int:
    """Samples in one turn."""
    return len(arrays["x"])


def prepare(engine: Any, arrays: dict[str, npt.NDArray[Any]], threads: int) -> Prepared:
    """A model of the engine after a warm-up: both batch sizes of an epoch are seen, so that compiling is not timed."""
    x, x_test = (arrays[name].astype(np.float32) / 255 for name in ("x", "x_test"))
    y, y_test = (arrays[name].astype(np.int64) for name in ("y", "y_test"))
    trainer = engine.trainer(_UNITS, _CLASSES, x.shape[1:], _BATCH_SIZE, threads)
    warm_up = 2 * _BATCH_SIZE + len(x) % _BATCH_SIZE
    trainer.epoch(x[:warm_up], y[:warm_up])
    return Prepared(lambda: trainer.epoch(x, y), lambda: {"accuracy": trainer.accuracy(x_test, y_test)})
