"""What `fit` is fed: arrays checked once, split, weighted, and cut into batches."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgru import random
from fastgru.layers.layer import Array, Shape, real_numbers

BATCH_SIZE = 32  # Keras's default


class Samples(NamedTuple):
    """Inputs, and the targets and weights that go with them; None where there are none."""

    x: Array
    y: Array | None
    weight: Array | None


def array(values: Any, name: str) -> Array:
    """`values` as an array of real numbers with at least one sample; ValueError otherwise.

    A list of one array stands for that array, as in Keras.
    """
    if isinstance(values, (list, tuple)) and len(values) == 1 and isinstance(values[0], np.ndarray):
        values = values[0]
    found = real_numbers(values, name)
    if found.ndim == 0 or found.size == 0:
        raise ValueError(f"{name}: expected an array with at least one sample, got shape {found.shape}.")
    return found


def samples(x: Any, y: Any = None, weight: Any = None) -> Samples:
    """The arrays of a data set, checked: real numbers, equally many samples, no NaN among targets and weights."""
    inputs = array(x, "x")
    targets = None if y is None else array(y, "y")
    weights = None if weight is None else array(weight, "sample_weight")
    for name, other in (("y", targets), ("sample_weight", weights)):
        if other is not None and len(other) != len(inputs):
            raise ValueError(f"x and {name} must have equally many samples, got {len(inputs)} and {len(other)}.")
        if other is not None and other.dtype.kind == "f" and np.isnan(other).any():
            bad = int(np.isnan(other).sum())
            raise ValueError(f"{name}: expected numbers, got {bad} NaN; drop or mend those samples.")
    return Samples(inputs, targets, weights)


def unpack(data: Any) -> Samples:
    """`validation_data`: ``(x, y)`` or ``(x, y, sample_weight)``."""
    if not isinstance(data, (list, tuple)) or len(data) not in (2, 3):
        raise ValueError(f"validation_data: expected (x, y) or (x, y, sample_weight), got {type(data).__name__}.")
    return samples(*data)


def split(given: Samples, fraction: float) -> tuple[Samples, Samples]:
    """The first samples for training and the last `fraction` for validation."""
    count = len(given.x)
    at = math.floor(count * (1.0 - fraction)) if 0 < fraction < 1 else 0
    if not 0 < at < count:
        raise ValueError(f"validation_split={fraction!r} of {count} samples leaves none to train or to validate.")
    first, last = (
        Samples(*(None if part is None else part[rows] for part in given))  # type: ignore[arg-type]
        for rows in (slice(at), slice(at, None))
    )
    return first, last


def class_weighted(given: Samples, class_weight: Mapping[int, float]) -> Samples:
    """The samples, each weighted by its class (1 for a class without an entry)."""
    if given.weight is not None:
        raise ValueError("class_weight and sample_weight cannot be given at the same time.")
    if given.y is None:
        raise ValueError("class_weight: needs the labels y.")
    labels = given.y
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(-1)
    if labels.ndim != 1:
        raise ValueError(f"class_weight: expected one label per sample, got y of shape {given.y.shape}.")
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"class_weight: expected a dict from class to weight, got {class_weight!r}.")
    classes, which = np.unique(np.round(labels).astype(np.int64), return_inverse=True)
    try:
        weights = [float(class_weight.get(int(label), 1.0)) for label in classes]
    except (TypeError, ValueError):
        raise ValueError(f"class_weight: expected a dict from class to weight, got {class_weight!r}.") from None
    if np.isnan(weights).any():
        raise ValueError(f"class_weight: expected numbers, got NaN in {class_weight!r}.")
    return given._replace(weight=np.array(weights)[which])


def fitted(x: Array, shape: Shape, name: str) -> Array:
    """`x` with the rank of `shape`; a last axis of length 1 may be missing or too many, as in Keras."""
    if x.ndim == len(shape) - 1 and shape[-1] == 1:
        x = x[..., None]
    elif x.ndim == len(shape) + 1 and x.shape[-1] == 1:
        x = x[..., 0]
    if x.ndim != len(shape) or shape[-1] not in (None, x.shape[-1]):
        raise ValueError(f"{name}: expected input of shape {shape}, got {x.shape}.")
    return x


def batch_size_of(batch_size: int | None, count: int, steps: int | None = None) -> int:
    """The batch size in force: as asked, else what makes `steps` batches of `count` samples, else 32."""
    for name, value in (("batch_size", batch_size), ("steps", steps)):
        if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
            raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}.")
    if batch_size is not None:
        return int(batch_size)
    return math.ceil(count / steps) if steps else BATCH_SIZE


class Batches:
    """Arrays of equal length, cut into batches again and again.

    Parameters
    ----------
    columns : sequence of ndarray or None
        Samples along the first axis; a None stays None in every batch.
    batch_size : int, optional
    shuffle : bool or "batch"
        Draw a new order for every pass; "batch" only within each batch. Batches are then gathered into memory that the
        next one overwrites; otherwise they are slices.
    steps : int, optional
        Batches an epoch. The next epoch goes on where the last one stopped; where the data run out before, the epoch
        ends with a warning. One pass over the data where absent.
    """

    def __init__(
        self,
        columns: Sequence[Array | None],
        batch_size: int | None = None,
        shuffle: bool | str = False,
        steps: int | None = None,
    ) -> None:
        self._columns = [None if column is None else np.ascontiguousarray(column) for column in columns]
        self.count = next(len(column) for column in self._columns if column is not None)
        self.batch_size = batch_size_of(batch_size, self.count, steps)
        self._shuffle = shuffle
        self._in_a_pass = -(-self.count // self.batch_size)
        self._steps = steps
        self._pass: Iterator[tuple[Any, ...]] = iter(())
        self._left = 0
        rows = min(self.batch_size, self.count)
        self._gathered = [
            None if column is None or not shuffle else np.empty((rows, *column.shape[1:]), column.dtype)
            for column in self._columns
        ]

    def __len__(self) -> int:
        return self._steps or self._in_a_pass

    def restart(self) -> None:
        """Let the next epoch start with a new pass."""
        self._left = 0

    def epoch(self) -> Iterator[tuple[Any, ...]]:
        """The batches of one epoch: a tuple with one array (or None) for each column."""
        if self._steps is None:
            yield from self._new_pass()
            return
        if not self._left:
            self._pass, self._left = self._new_pass(), self._in_a_pass
        for step in range(self._steps):
            if not self._left:
                warnings.warn(
                    f"The data ran out after {step} of {self._steps} steps; the epoch ends early.", stacklevel=3
                )
                break
            self._left -= 1
            yield next(self._pass)

    def _new_pass(self) -> Iterator[tuple[Any, ...]]:
        starts = range(0, self.count, self.batch_size)
        if not self._shuffle:
            for start in starts:
                yield tuple(None if c is None else c[start : start + self.batch_size] for c in self._columns)
            return
        order = self._order()
        for start in starts:
            rows = order[start : start + self.batch_size]
            # "clip" spares numpy a buffer of its own; the indices are in range
            yield tuple(
                None
                if column is None or memory is None
                else np.take(column, rows, axis=0, out=memory[: len(rows)], mode="clip")
                for column, memory in zip(self._columns, self._gathered, strict=True)
            )

    def _order(self) -> Array:
        draw = random.stream().permutation
        if self._shuffle != "batch":
            return draw(self.count)
        starts = range(0, self.count, self.batch_size)
        return np.concatenate([start + draw(min(self.batch_size, self.count - start)) for start in starts])
