"""The images that are raced over."""

from __future__ import annotations

import numpy as np

from bench.network import Arrays


def load(quick: bool) -> Arrays:
    """MNIST as numbers from 0 to 1; some noise of its form for a quick functional run."""
    if quick:
        x = np.random.default_rng(0).random((1000, 28, 28), dtype=np.float32)
        y = np.arange(1000) % 10
        return {"x": x, "y": y, "x_test": x[:250], "y_test": y[:250]}
    from fastgru.datasets import mnist

    (x, y), (x_test, y_test) = mnist.load_data()
    images = {"x": x, "x_test": x_test}
    labels = {"y": y, "y_test": y_test}
    return {name: array.astype(np.float32) / 255 for name, array in images.items()} | {
        name: array.astype(np.int64) for name, array in labels.items()
    }
