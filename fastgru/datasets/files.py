"""Samples with labels for a classifier, by the name of a data set or from a ``.npz`` file."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.datasets import digits, mnist
from fastgru.utils.downloads import UnavailableError

Array = npt.NDArray[Any]
Pair = tuple[Array, Array]

# the largest number in each data set that has a name
RANGES = {"mnist": 255.0, "digits": 16.0}
# without a name MNIST is fetched only where that takes no longer than this
_FETCH_SECONDS = 20.0
# the part of x and y held out for testing, where a file brings no test data of its own
_HELD_OUT = 0.2


@dataclass
class Data:
    """Samples in the range that a model sees, with labels; nothing to train on where only testing was asked for."""

    name: str
    train: Pair
    test: Pair
    origin: str


def load(source: str | None, scale: float | None, training: bool) -> Data:
    """The data set of a name or a file; without one MNIST where it is at hand or quickly fetched, else the digits."""
    if source is None:
        return _mnist_or_digits(scale)
    if source == "mnist":
        return _named(source, mnist.load_data(), scale, "MNIST")
    if source == "digits":
        return _named(source, digits.load_data(), scale, "digits of the package")
    return _from_file(Path(source), scale, training)


def _mnist_or_digits(scale: float | None) -> Data:
    try:
        file, how = mnist.find(), "found at"
        if file is None:
            file, how = mnist.download(seconds=_FETCH_SECONDS), "downloaded to"
        return _named("mnist", mnist.load_data(), scale, f"MNIST, {how} {file}")
    except UnavailableError as error:
        reason = f"MNIST cannot be downloaded ({error.reason})"
    except (OSError, ValueError) as error:
        reason = str(error).rstrip(".")
    return _named("digits", digits.load_data(), scale, f"digits of the package, because {reason}")


def _named(name: str, pairs: tuple[Pair, Pair], scale: float | None, origin: str) -> Data:
    (x, y), (x_test, y_test) = pairs
    scale = scale or RANGES[name]
    return Data(name, (scaled(x, scale), y), (scaled(x_test, scale), y_test), origin)


def _from_file(file: Path, scale: float | None, training: bool) -> Data:
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} is not a numpy .npz file of numbers ({error}).") from None
    origin = str(file)
    if {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        train, test = (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
    elif {"x", "y"} <= arrays.keys():
        x, y = arrays["x"], arrays["y"]
        cut = round(len(x) * (1 - _HELD_OUT)) if training else 0
        train, test = (x[:cut], y[:cut]), (x[cut:], y[cut:])
        origin += f", of which the last {_HELD_OUT:.0%} are held out" * training
    elif {"x_test", "y_test"} <= arrays.keys() and not training:
        test = arrays["x_test"], arrays["y_test"]
        train = test[0][:0], test[1][:0]
    else:
        expected = "x_train, y_train, x_test and y_test, or x and y"
        raise ValueError(f"{file}: expected arrays named {expected}, got {', '.join(sorted(arrays)) or 'none'}.")
    for x, y in (train, test) if training else (test,):
        if len(x) != len(y) or not len(x):
            raise ValueError(f"{file}: expected as many samples as labels and at least one, got {len(x)} and {len(y)}.")
    return Data(file.stem, (scaled(train[0], scale), train[1]), (scaled(test[0], scale), test[1]), origin)


def scaled(x: Array, scale: float | None) -> Array:
    """`x` as float32 divided by `scale`; without one, bytes are taken for pixels and brought to 0..1."""
    if x.dtype.kind not in "fiub":
        raise ValueError(f"Expected an array of real numbers as input, got dtype {x.dtype}.")
    if scale is None:
        scale = 255.0 if x.dtype == np.uint8 else 1.0
    return x.astype(np.float32) / np.float32(scale)


def sequences(x: Array, where: str) -> Array:
    """(N, T) numbers as N sequences of T steps with one feature; (N, T, F) as they are."""
    if x.ndim not in (2, 3):
        raise ValueError(f"{where}: expected x of shape (samples, steps) or (samples, steps, features), got {x.shape}.")
    return x[..., np.newaxis] if x.ndim == 2 else x


def class_numbers(y: Array, where: str) -> Array:
    """Labels as (N,) class numbers: from class numbers, (N,) or (N, 1), or from one row of zeros and a one each."""
    labels = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    numbers = labels.dtype.kind in "fiub" and bool(np.isfinite(labels).all())
    if numbers and labels.ndim == 2 and np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all():
        labels = labels.argmax(axis=1)
    if not numbers or labels.ndim != 1 or (labels < 0).any() or (labels % 1).any():
        raise ValueError(f"{where}: expected one class number (0, 1, ...) per sample, got {y.dtype} labels {y.shape}.")
    return np.asarray(labels, dtype=np.int64)
