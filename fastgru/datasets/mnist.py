"""MNIST: 70,000 handwritten digits of 28x28 pixels, in the file and the cache that Keras uses."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from fastgru.datasets import cache
from fastgru.types import Array
from fastgru.utils import downloads

__all__ = ["cache_file", "download", "find", "load_data"]

URL = cache.ORIGIN + "mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"

_SHAPES = {"x_train": (60000, 28, 28), "y_train": (60000,), "x_test": (10000, 28, 28), "y_test": (10000,)}


def load_data(path: str = "mnist.npz") -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """MNIST from Keras's cache, else from $FASTGRU_DATA/mnist.npz, else downloaded into the cache.

    Parameters
    ----------
    path : str
        File name in Keras's cache, ``$KERAS_HOME/datasets`` or ``~/.keras/datasets``.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x: (60000, 28, 28) and (10000, 28, 28) uint8, 0 to 255; y: (60000,) and (10000,) uint8, 0 to 9.

    Raises
    ------
    UnavailableError
        The file is not there and cannot be downloaded; says where to put it. An OSError.
    ValueError
        The file is damaged or not MNIST.
    """
    return _read(find(path) or download(path))


def find(path: str = "mnist.npz") -> Path | None:
    """Where MNIST is at hand without a download, or None."""
    return cache.find(path, "mnist.npz", "mnist.load_data")


def cache_file(path: str = "mnist.npz") -> Path:
    """Where Keras keeps the file."""
    return cache.cache_file(path, "mnist.load_data")


def download(path: str = "mnist.npz", seconds: float | None = None) -> Path:
    """Fetch Keras's published file into Keras's cache, with a progress bar on a terminal.

    Parameters
    ----------
    path : str
        File name in the cache.
    seconds : float, optional
        Give up when all of it takes longer than that.

    Returns
    -------
    Path of the file, which is complete: it gets its name after its sha256 was checked.
    """
    target = cache_file(path)
    downloads.download(URL, target, "MNIST", SHA256, seconds=seconds, file_name="mnist.npz")
    return target


def _read(file: Path) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _SHAPES}
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} is damaged or not Keras's MNIST file ({error}); delete or replace it.") from None
    for name, shape in _SHAPES.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.uint8:
            received = f"{arrays[name].shape} {arrays[name].dtype}"
            raise ValueError(f"{file} is not Keras's MNIST file: expected {name} {shape} uint8, got {received}.")
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def __dir__() -> list[str]:
    return __all__
