"""Weights as an `.npz`, which Keras 3 writes into a `.keras` file where h5py is not installed.

Keras keeps a dictionary of arrays under each path, as a pickle, which is read as data (`pickled`).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from fastgru.saving.formats import pickled, zip_archive
from fastgru.saving.formats.pickled import Made, of_kind
from fastgru.saving.report import reading
from fastgru.saving.stored import Array, ArrayInMemory

MAX_HEADER = 1 << 16
ROOT = "__root__"
NAMES = {f"numpy{core}.multiarray._reconstruct" for core in (".core", "._core")} | {"numpy.ndarray", "numpy.dtype"}


def arrays(file: str, data: bytes) -> Iterator[tuple[list[str], ArrayInMemory]]:
    """All arrays of an `.npz`, each with its path; `file` is its name in error messages."""
    with ExitStack() as stack:
        with reading(file):
            archive = stack.enter_context(zip_archive.opened(data))
            size = sum(member.size for member in archive.members)  # members may lie over one another
            if size > max(zip_archive.MAX_UNPACKED, zip_archive.MAX_EXPANSION * len(data)):
                raise ValueError(f"declares {size} bytes but takes {len(data)}")
        for member in archive.members:
            path = member.name.removesuffix(".npy")
            with reading(file, path):
                values = sorted(_arrays(archive.content(member)).items())
            for number, value in values:
                names = [*([] if path == ROOT else path.split("/")), "vars", *([number] if number else [])]
                yield names, ArrayInMemory(file, "/".join(names), value)


def _arrays(data: bytes) -> dict[str, Array]:
    """The arrays of one path by their numbers; one array that stands there itself has the number 0."""
    stream = io.BytesIO(data)
    major, _ = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream, max_header_size=MAX_HEADER)
    content = data[stream.tell() :]
    if dtype.hasobject:
        return _pickled(content)
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"declares {math.prod(shape) * dtype.itemsize} bytes of numbers and holds {len(content)}")
    return {"0": np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")}


# --- the dictionary of a path -----------------------------------------------------------------------------------------


def _pickled(content: bytes) -> dict[str, Array]:
    """The dictionary of arrays in an object array of one object, pickled; ValueError for anything else."""
    _, _, dtype, _, (forms,) = of_kind(Made, pickled.value(content, NAMES)).state
    if of_kind(str, of_kind(Made, dtype).arguments[0]) != "O8" or not isinstance(forms, dict):
        raise ValueError("expected a dictionary of arrays")
    return {str(key): _array(form) for key, form in forms.items()}


def _array(form: Any) -> Array:
    _, shape, described, fortran, content = of_kind(Made, form).state
    described = of_kind(Made, described)
    dtype = np.dtype(of_kind(str, described.arguments[0])).newbyteorder(of_kind(str, described.state[1]))
    axes = [of_kind(int, axis) for axis in shape]
    if any(not 0 <= axis <= len(content) for axis in axes):
        raise ValueError("holds an array with axes that it cannot have")
    if dtype.hasobject or not isinstance(content, bytes) or len(content) != math.prod(axes) * dtype.itemsize:
        raise ValueError("holds an array whose numbers and shape do not fit")
    return np.frombuffer(content, dtype).reshape(axes, order="F" if fortran else "C")
