"""Weights as an `.npz`, which Keras 3 writes into a `.keras` file where h5py is not installed.

Keras keeps a dictionary of arrays under each path, as a pickle. A pickle is a program; here its instructions are read
as data (`pickletools.genops` runs nothing), and only those that describe such a dictionary are understood.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from fastgru.saving.formats import zip_archive
from fastgru.saving.report import reading
from fastgru.saving.stored import Array, ArrayInMemory

MAX_HEADER = 1 << 16
ROOT = "__root__"


def arrays(file: str, data: bytes) -> Iterator[tuple[list[str], ArrayInMemory]]:
    """All arrays of an `.npz`, each with its path; `file` is its name in error messages."""
    with ExitStack() as stack:
        with reading(file):
            archive = stack.enter_context(zip_archive.opened(data))
            size = sum(info.file_size for info in archive.infolist())  # members may lie over one another
            if size > max(zip_archive.MAX_UNPACKED, zip_archive.MAX_EXPANSION * len(data)):
                raise ValueError(f"declares {size} bytes but takes {len(data)}")
        for info in archive.infolist():
            path = info.filename.removesuffix(".npy")
            with reading(file, path):
                values = sorted(_member(zip_archive.content(archive, info)).items())
            for number, value in values:
                names = [*([] if path == ROOT else path.split("/")), "vars", *([number] if number else [])]
                yield names, ArrayInMemory(file, "/".join(names), value)


def _member(data: bytes) -> dict[str, Array]:
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


# --- a pickle, read and not run ---------------------------------------------------------------------------------------

_MARK = object()
_KNOWN = {"_reconstruct": "array", "ndarray": "ndarray", "dtype": "dtype"}
_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "EMPTY_DICT": {},
    "EMPTY_LIST": [],
}
_LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip


def _pickled(content: bytes) -> dict[str, Array]:
    """The dictionary of arrays in an object array of one object, pickled; ValueError for anything else."""
    stack: list[Any] = []
    memory: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        place = len(stack) - 1 - next(index for index, value in enumerate(reversed(stack)) if value is _MARK)
        values = stack[place + 1 :]
        del stack[place:]
        return values

    argument: Any
    for code, argument, _ in pickletools.genops(content):
        name = code.name
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            empty = _CONSTANTS[name]
            stack.append(empty.copy() if isinstance(empty, (dict, list)) else empty)
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("APPEND", "APPENDS"):
            values = since_mark() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            keys = [_of_kind((str, int), key) for key in values[::2]]
            stack[-1].update(zip(keys, values[1::2], strict=True))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            module, attribute = argument.split(" ") if name == "GLOBAL" else (stack.pop(-2), stack.pop())
            module, attribute = _of_kind(str, module), _of_kind(str, attribute)
            if module.split(".")[0] != "numpy" or attribute not in _KNOWN:
                raise ValueError(f"names {module}.{attribute} in a pickle, of which only numpy's arrays are read")
            stack.append({"is": _KNOWN[attribute]})
        elif name == "REDUCE":
            arguments = stack.pop()
            stack[-1] = {**stack[-1], "arguments": arguments}
        elif name == "BUILD":
            state = stack.pop()
            stack[-1]["state"] = state
        elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            memory[len(memory) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memory[argument])
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"holds a pickle with the instruction {name}, which no array needs")
    (outer,) = stack
    _, _, dtype, _, (forms,) = outer["state"]
    if _of_kind(str, dtype["arguments"][0]) != "O8" or not isinstance(forms, dict):
        raise ValueError("expected a dictionary of arrays")
    return {str(key): _array(form) for key, form in forms.items()}


def _array(form: Any) -> Array:
    _, shape, described, fortran, content = form["state"]
    dtype = np.dtype(_of_kind(str, described["arguments"][0])).newbyteorder(_of_kind(str, described["state"][1]))
    axes = [_of_kind(int, axis) for axis in shape]
    if any(not 0 <= axis <= len(content) for axis in axes):
        raise ValueError("holds an array with axes that it cannot have")
    if dtype.hasobject or not isinstance(content, bytes) or len(content) != math.prod(axes) * dtype.itemsize:
        raise ValueError("holds an array whose numbers and shape do not fit")
    return np.frombuffer(content, dtype).reshape(axes, order="F" if fortran else "C")


def _of_kind(kind: Any, value: Any) -> Any:
    """The value itself, if it is what it should be.

    A pickle can build a tuple of two times the same tuple of two times the same, and so on: whoever hashes it, compares
    it or prints it does not come back.
    """
    if not isinstance(value, kind):
        raise ValueError(f"holds a pickle with a {type(value).__name__} where no array has one")
    return value
