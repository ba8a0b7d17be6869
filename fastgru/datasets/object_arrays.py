"""Lists of numbers out of Keras's ``.npz`` files, which keep them in numpy's form of object arrays, a pickle.

A pickle is a program. Here it is taken for data: of all that it may name, only what numpy writes for an object array is
known, and that leads to stand-ins of this file, which check what they are handed and run nothing else.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.types import Array

__all__ = ["arrays"]


class _ObjectArray:
    """What stands for an array while it is read: its state is the lists that it holds."""

    values: list[Any]

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[4], list):
            raise pickle.UnpicklingError("an object array in another form than numpy's")
        self.values = state[4]


class _Dtype:
    """What stands for the dtype of objects; of its state nothing is needed."""

    def __setstate__(self, state: Any) -> None: ...


def _new_array(*arguments: Any) -> _ObjectArray:
    return _ObjectArray()


def _new_dtype(*arguments: Any) -> _Dtype:
    return _Dtype()


class _Reader(pickle.Unpickler):
    known = {  # noqa: RUF012
        ("numpy", "ndarray"): None,
        ("numpy", "dtype"): _new_dtype,
        ("numpy.core.multiarray", "_reconstruct"): _new_array,
        ("numpy._core.multiarray", "_reconstruct"): _new_array,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(f"it names {module}.{name}, and code from a file is never run")
        return self.known[module, name]


def arrays(file: Path, *names: str) -> list[Array]:
    """Arrays of a ``.npz`` file: of numbers as they are, of objects as (n,) arrays of lists of whole numbers.

    Raises
    ------
    ValueError
        The file is damaged, lacks one of the arrays, or holds other objects than lists of whole numbers.
    """
    from fastgru.saving.formats import zip_archive  # with all that opening models needs

    try:
        with zip_archive.opened(file) as archive:
            return [_array(archive.content(archive.member(f"{name}.npy"))) for name in names]
    except (KeyError, ValueError, EOFError, TypeError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise ValueError(f"{file} is damaged or not the data set's file ({error}); delete or replace it.") from None


def _array(content: bytes) -> Array:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if not dtype.hasobject:
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    stored = _Reader(stream, encoding="latin1").load()
    if not isinstance(stored, _ObjectArray) or shape != (len(stored.values),):
        raise ValueError(f"expected an array of {shape} lists")
    lists = np.empty(len(stored.values), dtype=object)
    for place, numbers in enumerate(stored.values):
        if not isinstance(numbers, list) or (numbers and np.asarray(numbers).dtype.kind != "i"):
            raise ValueError("expected lists of whole numbers")
        lists[place] = numbers
    return lists
