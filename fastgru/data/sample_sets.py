"""The data of a call: inputs, targets and weights, of equally many samples; split and weighted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastgru.data.column import finite
from fastgru.data.named import Names, entries, labels
from fastgru.data.sequences import Sequences
from fastgru.data.sources import Rows, Source, Stored, is_array, source
from fastgru.types import Array


class Samples(NamedTuple):
    """Inputs, and the targets and weights of each output; None where an output has none."""

    x: tuple[Source, ...]
    y: tuple[Source | None, ...]
    weight: tuple[Source | None, ...]

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.x[0])

    def rows(self, rows: slice) -> Samples:
        """Some of the samples."""
        x, y, weight = ([None if part is None else part[rows] for part in parts] for parts in self)
        return Samples(tuple(x), tuple(y), tuple(weight))  # type: ignore[arg-type]


def _listed(values: Any, names: Names, argument: str, port: str, text: bool = False) -> list[Source | None]:
    """The source of each input or output; None for an output without. With `text` strings go, too."""
    pairs = zip(entries(values, names, argument, port), labels(argument, names, port), strict=True)
    return [None if value is None and port == "output" else source(value, label, text) for value, label in pairs]


def inputs(x: Any, names: Names, text: bool = False) -> list[Source]:
    """The sources of the inputs, of equally many samples; with `text` strings go, too."""
    sources: Any = _listed(x, names, "x", "input", text)
    _check_lengths(zip(labels("x", names, "input"), sources, strict=True))
    return sources


def samples(
    x: Any,
    y: Any = None,
    weight: Any = None,
    input_names: Names = None,
    output_names: Names = None,
    text: bool = False,
) -> Samples:
    """The sources of a data set: real numbers, equally many samples.

    Parameters
    ----------
    x, y, weight
        An array, or for several inputs or outputs a list or a dict by name; one weight a sample may stand for all
        outputs.
    input_names, output_names : sequence of str, optional
        Absent for a model that does not name its only input and output.
    text : bool
        Whether inputs may be strings.
    """
    if output_names is not None and len(output_names) > 1 and is_array(weight):
        _check_samplewise(weight)
        weight = [weight] * len(output_names)
    parts: list[Any] = []
    labelled: list[tuple[str, Source | None]] = []
    for values, names, argument, port in (
        (x, input_names, "x", "input"),
        (y, output_names, "y", "output"),
        (weight, output_names, "sample_weight", "output"),
    ):
        sources = _listed(values, names, argument, port, text and port == "input")
        labelled.extend(zip(labels(argument, names, port), sources, strict=True))
        parts.append(tuple(sources))
    _check_lengths(labelled)
    return Samples(*parts)


def _check_lengths(labelled: Iterable[tuple[str, Source | None]]) -> None:
    """ValueError unless all have as many samples as the first."""
    (first, x), *others = labelled
    assert x is not None
    for label, rows in others:
        if rows is not None and len(rows) != len(x):
            raise ValueError(f"{first} and {label} must have equally many samples, got {len(x)} and {len(rows)}.")


def _check_samplewise(weight: Any) -> None:
    """ValueError unless the weights may stand for all of several outputs: one for each sample."""
    shape = source(weight, "sample_weight").shape
    if len(shape) > 1 and shape[1:] != (1,):
        raise ValueError(
            f"sample_weight: expected one weight for each sample, got shape {shape}; "
            "give a list with an array for each output."
        )


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """x, y and weights of `validation_data`: ``(x, y)`` or ``(x, y, sample_weight)``."""
    if not isinstance(data, (list, tuple)) or len(data) not in (2, 3):
        raise ValueError(f"validation_data: expected (x, y) or (x, y, sample_weight), got {type(data).__name__}.")
    return data[0], data[1], data[2] if len(data) == 3 else None


def split(whole: Samples, fraction: float) -> tuple[Samples, Samples]:
    """The first samples for training and the last `fraction` for validation."""
    count = whole.size
    at = math.floor(count * (1.0 - fraction)) if 0 < fraction < 1 else 0
    if not 0 < at < count:
        raise ValueError(f"validation_split={fraction!r} of {count} samples leaves none to train or to validate.")
    return whole.rows(slice(at)), whole.rows(slice(at, None))


def class_weighted(unweighted: Samples, class_weight: Mapping[int, float], classes: int | None = None) -> Samples:
    """The samples, each weighted by its class (1 for a class without an entry).

    Parameters
    ----------
    unweighted : Samples
    class_weight : dict
    classes : int, optional
        How many there are, where that is known; the dict must name no others.
    """
    outputs = len(unweighted.y)
    if outputs > 1:
        raise ValueError(f"class_weight: expected a model with one output, got {outputs}; give sample_weight.")
    if unweighted.weight[0] is not None:
        raise ValueError("class_weight and sample_weight cannot be given at the same time.")
    y = unweighted.y[0]
    if y is None:
        raise ValueError("class_weight: needs the labels y.")
    if isinstance(y, Sequences) or y.ndim > 2:
        raise ValueError(f"class_weight: expected one label per sample, got y of shape {y.shape}.")
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"class_weight: expected a dict from class to weight, got {class_weight!r}.")
    for label in class_weight:
        if not isinstance(label, (int, np.integer)) or not 0 <= label < (classes or math.inf):
            known = f"0 to {classes - 1}" if classes else "whole numbers from 0"
            raise ValueError(f"class_weight: expected the classes {known} as keys, got {label!r}.")
    weights = Stored(_ClassWeights(y, class_weight)) if isinstance(y, Stored) else _weights_of(y, class_weight)
    return unweighted._replace(weight=(weights,))


class _ClassWeights:
    """The weights of labels that lie in a file, to be read with them."""

    dtype = np.dtype("float64")

    def __init__(self, y: Stored, class_weight: Mapping[int, float]) -> None:
        self._y, self._class_weight = y, class_weight
        self.shape = (len(y),)

    def __len__(self) -> int:
        return len(self._y)

    def __getitem__(self, rows: Rows) -> Array:
        return _weights_of(self._y.read(rows), self._class_weight)


def _weights_of(y: Array, class_weight: Mapping[int, float]) -> Array:
    """The weight of each sample: that of its label, a number or the largest of a row."""
    finite("y")(y, slice(0, len(y)))
    if y.ndim > 1:
        y = y[..., 0] if y.shape[-1] == 1 else y.argmax(-1)
    classes, places = np.unique(np.round(y).astype(np.int64), return_inverse=True)
    try:
        weights = [float(class_weight.get(int(label), 1.0)) for label in classes]
    except (TypeError, ValueError):
        raise ValueError(f"class_weight: expected a dict from class to weight, got {class_weight!r}.") from None
    if not np.isfinite(weights).all():
        what = "NaN" if np.isnan(weights).any() else "infinity"
        raise ValueError(f"class_weight: expected numbers, got {what} in {class_weight!r}.")
    return np.array(weights)[places]
