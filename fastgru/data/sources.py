"""Where the rows of a data set come from: an array in memory, or a file that is read batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np

from fastgru import kernels
from fastgru.checks import missing_axis, real_numbers
from fastgru.data.sequences import Sequences, sequences_of
from fastgru.types import Array, Shape

Rows = slice | Array  # of a data set: a slice with both ends, or increasing indices


class Readable(Protocol):
    """What a memory map and a data set of h5py have: a shape, a dtype, and their rows for a slice or for indices."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


class Stored:
    """Rows that lie in a file until a batch asks for them.

    Parameters
    ----------
    values : Readable
    shape : tuple of int, optional
        What its rows are taken for: axes of length 1 may come or go.
    first : int
        Its first row here.
    """

    def __init__(self, values: Readable, shape: tuple[int, ...] | None = None, first: int = 0) -> None:
        self._values, self._first = values, first
        self.shape = tuple(values.shape) if shape is None else shape
        self.dtype = values.dtype
        self._latest: tuple[Rows, Array] | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: int) -> Stored:
        """The same rows with axes of length 1 more or less."""
        return Stored(self._values, shape, self._first)

    def __getitem__(self, rows: slice) -> Stored:
        """Rows that follow each other; they stay where they are."""
        first, stop, _ = rows.indices(len(self))
        return Stored(self._values, (stop - first, *self.shape[1:]), self._first + first)

    def read(self, rows: Rows) -> Array:
        """Some of the rows, in memory: read once where class weights need the same labels as the targets."""
        if self._latest is None or not _same(self._latest[0], rows):
            self._latest = None  # so that its memory is free for the next
            if isinstance(rows, slice):
                count = rows.stop - rows.start
                place: Rows = slice(self._first + rows.start, self._first + rows.stop) if self._first else rows
            else:
                count, place = len(rows), self._first + rows if self._first else rows
            self._latest = rows, np.asarray(self._values[place]).reshape(count, *self.shape[1:])
        return self._latest[1]


def _same(rows: Rows, others: Rows) -> bool:
    both_drawn = isinstance(rows, np.ndarray) and isinstance(others, np.ndarray)
    return rows is others or (both_drawn and np.array_equal(rows, others))  # type: ignore[arg-type]


Evenly = Array | Stored  # rows of one shape
Source = Evenly | Sequences
TEXTS = "OUST"  # the kinds of numpy's dtypes that hold strings


def is_readable(values: Any) -> TypeGuard[Readable]:
    """Whether its rows can be read although it is no array in memory.

    What computes with arrays, such as a column of pandas (in whose brackets stand labels, not rows), says with which
    priority: it is in memory.
    """
    return isinstance(values, np.memmap) or (
        isinstance(getattr(values, "shape", None), tuple)
        and isinstance(getattr(values, "dtype", None), np.dtype)
        and hasattr(values, "__getitem__")
        and hasattr(values, "__len__")
        and not hasattr(values, "__array_priority__")
    )


def is_array(values: Any) -> bool:
    """Whether it is one array, in memory or in a file, and no list of them."""
    return hasattr(values, "__array__") or is_readable(values)


def in_memory(values: Any) -> Any:
    """What other libraries hold, tensors and frames, as a numpy array; anything else as it is.

    They are known by their methods, so that none of the libraries is loaded for it.
    """
    if hasattr(values, "detach"):  # torch: from its graph and its device
        values = values.detach().cpu()
    if callable(convert := getattr(values, "to_numpy", None)):
        array = np.asarray(convert())
        return array.astype("float64") if array.dtype == object and _is_numeric(array) else array
    if callable(convert := getattr(values, "numpy", None)):
        return np.asarray(convert())
    is_foreign = hasattr(values, "__dlpack__") and not hasattr(values, "__array__")
    return np.from_dlpack(values) if is_foreign else values


def _is_numeric(array: Array) -> bool:
    """Whether the objects of a frame, in which columns have dtypes of their own, are all numbers."""
    return all(isinstance(value, (int, float, np.number, np.bool_)) for value in array.flat)


def _is_rows(value: Any) -> bool:
    return isinstance(value, np.ndarray) or is_readable(value)


def source(values: Any, name: str, text: bool = False) -> Source:
    """Real numbers, with at least one sample, as a batch can be taken from them; ValueError otherwise.

    Nothing is read from a file. A list of one array stands for that array, as in Keras; one of sequences of unequal
    length, or an array of such objects, for those. With `text` strings go, too, as an array of objects.
    """
    rows: Source
    if type(values) is np.ndarray:  # first, as every small prediction comes this way
        rows = values if values.dtype.kind != "O" else _real_numbers(values, name)
    elif isinstance(values, (list, tuple)) and len(values) == 1 and _is_rows(values[0]):
        return source(values[0], name, text)
    elif is_readable(values):
        rows = Stored(values)
    else:
        values_in_memory = in_memory(values)
        holds_text = text and _holds_text(values_in_memory)
        rows = _texts(values_in_memory) if holds_text else _real_numbers(values_in_memory, name)
    if text and rows.dtype.kind in TEXTS:
        rows = rows.astype(object, copy=False) if isinstance(rows, np.ndarray) else rows
    elif rows.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got {type(values).__name__} of dtype {rows.dtype}.")
    if not rows.shape or 0 in rows.shape:
        raise ValueError(f"{name}: expected an array with at least one sample, got shape {rows.shape}.")
    return rows


def _real_numbers(values: Any, name: str) -> Array | Sequences:
    """Real numbers, or sequences of them, in memory; a ValueError for anything but an array of something else."""
    is_array_of_objects = isinstance(values, np.ndarray) and values.dtype.kind == "O" and values.ndim == 1
    if is_array_of_objects and (sequences := sequences_of(values, name)) is not None:
        return sequences
    if isinstance(values, np.ndarray):
        return values
    try:
        return real_numbers(values, name)
    except ValueError as error:
        if isinstance(values, (list, tuple)) and (sequences := sequences_of(values, name)) is not None:
            return sequences
        if hasattr(values, "__getitem__") and not isinstance(values, (Sequence, Mapping)):
            makers = "or what makes batches of it, as a DataLoader or a PyDataset does"
            raise ValueError(f"{str(error).removesuffix('.')}, {makers}.") from None
        raise


def _holds_text(values: Any) -> bool:
    first = values
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    return isinstance(first, (str, bytes)) or getattr(getattr(first, "dtype", None), "kind", "") in TEXTS


def _texts(values: Any) -> Array:
    return np.array(values, dtype=object) if isinstance(values, (list, tuple)) else np.asarray(values)


def check_kind(rows: Source, dtype: Any) -> None:
    """ValueError where strings come to an input that takes numbers."""
    if dtype is not None and rows.dtype.kind in TEXTS and np.dtype(dtype).kind in "fiub":
        raise ValueError(f"Expected real numbers for an input of dtype {dtype}, got strings.")


def whole(rows: Source, dtype: Any = None) -> Array:
    """All rows in memory, as kernels read them."""
    if isinstance(rows, Sequences):
        raise ValueError("x: expected an array, got nested lists of unequal lengths; give those to fit or predict.")
    check_kind(rows, dtype)
    return kernels.contiguous(rows.read(slice(0, len(rows))) if isinstance(rows, Stored) else rows, dtype)


def fitted(rows: Source, shape: Shape, where: str, *names: str) -> Source:
    """Rows with the rank of `shape`; a last axis of length 1 may be missing or too many, as in Keras.

    A ValueError begins with `where`, in which the names are put.
    """
    if rows.ndim == len(shape) - 1 and shape[-1] == 1:
        rows = rows.reshape(*rows.shape, 1)
    elif rows.ndim == len(shape) + 1 and rows.shape[-1] == 1:
        rows = rows.reshape(*rows.shape[:-1])
    if rows.ndim != len(shape) or shape[-1] not in (None, rows.shape[-1]):
        remedy = missing_axis(rows.shape, shape)
        got = f"{'nested lists of unequal lengths, padded ' * isinstance(rows, Sequences)}{rows.shape}{remedy}"
        raise ValueError(f"{where.format(*names)}: expected input of shape {shape}, got {got}.")
    return rows


def shapes(shape: Any) -> list[Any]:
    """The shapes of several inputs or outputs, or of the only one, in a list."""
    return list(shape) if shape and isinstance(shape[0], (list, tuple)) else [shape]
