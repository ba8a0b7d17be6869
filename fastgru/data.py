"""What `fit` is fed: arrays checked once, split, weighted, and cut into batches."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgru import kernels, random, threads
from fastgru.layers.layer import Array, Shape, real_numbers
from fastgru.registry import suggestion

BATCH_SIZE = 32  # Keras's default


Names = Sequence[str] | None


class Samples(NamedTuple):
    """Inputs, and the targets and weights of each output; None where an output has none."""

    x: tuple[Array, ...]
    y: tuple[Array | None, ...]
    weight: tuple[Array | None, ...]

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.x[0])

    def rows(self, rows: slice) -> Samples:
        """Some of the samples."""
        x, y, weight = ([None if part is None else part[rows] for part in parts] for parts in self)
        return Samples(tuple(x), tuple(y), tuple(weight))  # type: ignore[arg-type]


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


def entries(values: Any, names: Names, argument: str, port: str) -> list[Any]:
    """What a list or a dict by name says for each of the inputs or outputs; None for a name that a dict leaves out.

    Parameters
    ----------
    values
        For one input or output also what it is about itself, without a list.
    names : sequence of str, optional
        Of the inputs or outputs; absent where there is one without a name.
    argument, port : str
        For the error: what is given, and "input" or "output".

    Raises
    ------
    ValueError
        Another number of entries, or an output that the model has not. As in Keras, a dict may hold more than the
        inputs.
    """
    if values is None and port == "output":
        return [None] * len(names or " ")
    if names is None:
        return [values]
    if isinstance(values, Mapping):
        unknown = [name for name in values if name not in names]
        if unknown and (port == "output" or len(values) - len(unknown) < len(names)):
            raise ValueError(f"{argument}: the model has no {port} {unknown[0]!r}; {suggestion(unknown[0], names)}")
        missing = [name for name in names if name not in values]
        if missing and port == "input":
            raise ValueError(f"{argument}: expected an entry for the input {missing[0]!r}, got {sorted(values)}.")
        return [values.get(name) for name in names]
    if len(names) == 1:
        return [values]
    listed = ", ".join(map(repr, names))
    if not isinstance(values, (list, tuple)):
        raise ValueError(
            f"{argument}: expected a list or dict with an entry for each {port} ({listed}), "
            f"got {type(values).__name__}."
        )
    if len(values) != len(names):
        raise ValueError(f"{argument}: expected an entry for each {port} ({listed}), got {len(values)}.")
    return list(values)


def columns(values: Any, names: Names, argument: str, port: str) -> list[tuple[str, Array | None]]:
    """For each input or output what errors call it, and its checked array; None where an output has none."""
    given = entries(values, names, argument, port)
    if len(given) == 1:
        return [(argument, _column(given[0], argument, port))]
    labels = [f"{argument}, {port} {name!r}" for name in names or ()]
    return [(label, _column(value, label, port)) for label, value in zip(labels, given, strict=True)]


def _column(value: Any, label: str, port: str) -> Array | None:
    return None if value is None and port == "output" else array(value, label)


def inputs(x: Any, names: Names) -> list[Array]:
    """The checked arrays of the inputs, of equally many samples."""
    given = columns(x, names, "x", "input")
    _check(given, ())
    return [column for _, column in given if column is not None]


def samples(
    x: Any, y: Any = None, weight: Any = None, input_names: Names = None, output_names: Names = None
) -> Samples:
    """The arrays of a data set, checked: real numbers, equally many samples, no NaN among targets and weights.

    Parameters
    ----------
    x, y, weight
        An array, or for several inputs or outputs a list or a dict by name; one weight a sample may stand for all
        outputs.
    input_names, output_names : sequence of str, optional
        Absent for a model that does not name its only input and output.
    """
    if output_names is not None and len(output_names) > 1 and hasattr(weight, "__array__"):
        weight = [_samplewise(weight)] * len(output_names)
    given = columns(x, input_names, "x", "input")
    targets = columns(y, output_names, "y", "output")
    weights = columns(weight, output_names, "sample_weight", "output")
    _check(given, targets + weights)
    return Samples(*[tuple([column for _, column in part]) for part in (given, targets, weights)])  # type: ignore


def _check(given: Sequence[tuple[str, Any]], others: Sequence[tuple[str, Array | None]]) -> None:
    """ValueError unless all have as many samples as the first input, and those beside the inputs no NaN."""
    first, x = given[0]
    for label, column in (*given, *others):
        if column is not None and len(column) != len(x):
            raise ValueError(f"{first} and {label} must have equally many samples, got {len(x)} and {len(column)}.")
    for label, column in others:
        if column is not None and column.dtype.kind == "f" and np.isnan(column).any():
            bad = int(np.isnan(column).sum())
            raise ValueError(f"{label}: expected numbers, got {bad} NaN; drop or mend those samples.")


def _samplewise(weight: Any) -> Array:
    """Weights that may stand for all of several outputs: one for each sample."""
    found = array(weight, "sample_weight")
    if found.ndim > 1 and found.shape[1:] != (1,):
        raise ValueError(
            f"sample_weight: expected one weight for each sample, got shape {found.shape}; "
            "give a list with an array for each output."
        )
    return found


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """x, y and weights of `validation_data`: ``(x, y)`` or ``(x, y, sample_weight)``."""
    if not isinstance(data, (list, tuple)) or len(data) not in (2, 3):
        raise ValueError(f"validation_data: expected (x, y) or (x, y, sample_weight), got {type(data).__name__}.")
    return data[0], data[1], data[2] if len(data) == 3 else None


def split(given: Samples, fraction: float) -> tuple[Samples, Samples]:
    """The first samples for training and the last `fraction` for validation."""
    count = given.size
    at = math.floor(count * (1.0 - fraction)) if 0 < fraction < 1 else 0
    if not 0 < at < count:
        raise ValueError(f"validation_split={fraction!r} of {count} samples leaves none to train or to validate.")
    return given.rows(slice(at)), given.rows(slice(at, None))


def class_weighted(given: Samples, class_weight: Mapping[int, float]) -> Samples:
    """The samples, each weighted by its class (1 for a class without an entry)."""
    if len(given.y) > 1:
        raise ValueError(f"class_weight: expected a model with one output, got {len(given.y)}; give sample_weight.")
    if given.weight[0] is not None:
        raise ValueError("class_weight and sample_weight cannot be given at the same time.")
    labels = given.y[0]
    if labels is None:
        raise ValueError("class_weight: needs the labels y.")
    shape = labels.shape
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(-1)
    if labels.ndim != 1:
        raise ValueError(f"class_weight: expected one label per sample, got y of shape {shape}.")
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"class_weight: expected a dict from class to weight, got {class_weight!r}.")
    classes, which = np.unique(np.round(labels).astype(np.int64), return_inverse=True)
    try:
        weights = [float(class_weight.get(int(label), 1.0)) for label in classes]
    except (TypeError, ValueError):
        raise ValueError(f"class_weight: expected a dict from class to weight, got {class_weight!r}.") from None
    if np.isnan(weights).any():
        raise ValueError(f"class_weight: expected numbers, got NaN in {class_weight!r}.")
    return given._replace(weight=(np.array(weights)[which],))


def fitted(x: Array, shape: Shape, where: str, *names: str) -> Array:
    """`x` with the rank of `shape`; a last axis of length 1 may be missing or too many, as in Keras.

    A ValueError begins with `where`, in which the names are put.
    """
    if x.ndim == len(shape) - 1 and shape[-1] == 1:
        x = x[..., None]
    elif x.ndim == len(shape) + 1 and x.shape[-1] == 1:
        x = x[..., 0]
    if x.ndim != len(shape) or shape[-1] not in (None, x.shape[-1]):
        raise ValueError(f"{where.format(*names)}: expected input of shape {shape}, got {x.shape}.")
    return x


def shapes(shape: Any) -> list[Any]:
    """The shapes of several inputs or outputs, or of the only one, in a list."""
    return list(shape) if shape and isinstance(shape[0], (list, tuple)) else [shape]


def batch_size_of(batch_size: int | None, count: int, steps: int | None = None) -> int:
    """The batch size in force: as asked, else what makes `steps` batches of `count` samples, else 32."""
    if batch_size is None and steps is None:
        return BATCH_SIZE
    for name, value in (("batch_size", batch_size), ("steps", steps)):
        if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
            raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}.")
    if batch_size is not None:
        return int(batch_size)
    assert steps is not None
    return math.ceil(count / steps)


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
        self._columns = [None if column is None else kernels.contiguous(column) for column in columns]
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
                    f"The data ran out after {step} of {self._steps} steps; the epoch ends early.", stacklevel=4
                )
                break
            self._left -= 1
            yield next(self._pass)

    def _new_pass(self) -> Iterator[tuple[Any, ...]]:
        starts = range(0, self.count, self.batch_size)
        if not self._shuffle:
            for start in starts:
                rows = slice(start, start + self.batch_size)
                yield tuple([None if column is None else column[rows] for column in self._columns])
            return
        order, n_threads = self._order(), threads.get_num_threads()
        for start in starts:
            chosen = order[start : start + self.batch_size]
            batch = tuple([None if memory is None else memory[: len(chosen)] for memory in self._gathered])
            for column, memory in zip(self._columns, batch, strict=True):
                if memory is not None:
                    kernels.gather_rows(column, chosen, memory, n_threads)
            yield batch

    def _order(self) -> Array:
        draw = random.stream().permutation
        if self._shuffle != "batch":
            return draw(self.count)
        starts = range(0, self.count, self.batch_size)
        return np.concatenate([start + draw(min(self.batch_size, self.count - start)) for start in starts])
