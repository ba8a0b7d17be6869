"""PyTorch's `.pt` and `.pth`: the tensors of a state dict, of which nothing is run.

`torch.save` writes a pickle of dicts in which a tensor is a call of `_rebuild_tensor_v2` with a storage, an offset, a
shape and strides; the numbers of the storages stand beside it, in members of a zip archive (`data/0`) or, before torch
1.6, behind it in the same file. The pickle is read as data (`pickled`).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.saving.formats import numbers, pickled, state_dict, zip_archive
from fastgru.saving.formats.pickled import Name, of_kind
from fastgru.saving.report import reading
from fastgru.saving.stored import Array, FilePath, StoredArray, StoredModel

PICKLE = "data.pkl"  # in the folder of an archive
OF_TORCHSCRIPT = "constants.pkl"
MAX_PICKLE = 1 << 26
MAX_AXES = 16
MAX_NESTING = 4  # of dicts in which a state dict is looked for
MAGIC = 0x1950A86A20F9469CFC6C  # what a file of before torch 1.6 begins with
PROTOCOL = 1001
WAY = "save the tensors alone: torch.save(model.state_dict(), ...)"

STORAGES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": numbers.BFLOAT16,
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
PARAMETER, DICT, SIZE = "torch._utils._rebuild_parameter", "collections.OrderedDict", "torch.Size"
DTYPES = {f"torch.{name}" for name in ("float16", "bfloat16", "float32", "float64", "int64", "int32", "bool")}
NAMES = {*STORAGES, *TENSORS, PARAMETER, DICT, SIZE, *DTYPES}


@dataclass
class Storage:
    """Numbers beside the pickle, read once when a tensor of theirs is asked for."""

    dtype: str
    count: int
    load: Callable[[], bytes | memoryview]

    @cached_property
    def values(self) -> Array:
        data = self.load()
        if len(data) != self.count * numbers.item_size(self.dtype):
            raise ValueError(f"its storage has {len(data)} bytes where {self.count} numbers of {self.dtype} should be")
        return numbers.from_bytes(data, self.dtype, (self.count,))


@dataclass
class Tensor:
    """A view of a storage, a `StoredArray` once it has a place."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    file: str = ""
    place: str = ""

    @property
    def is_real(self) -> bool:
        """Whether it holds real numbers."""
        return numbers.is_real(self.storage.dtype)

    def read(self, dtype: npt.DTypeLike) -> Array:
        with reading(self.file, self.place):
            values = self.storage.values[self.offset :]
            strides = [stride * values.itemsize for stride in self.strides]
            view = np.lib.stride_tricks.as_strided(values, self.shape, strides, writeable=False)
            return np.array(view, dtype, order="C")


# --- the pickle -------------------------------------------------------------------------------------------------------


def _made(name: str, arguments: tuple[Any, ...]) -> Any:
    """What stands for the result of a call in the pickle."""
    if name in TENSORS and len(arguments) >= 4:
        return _tensor(*arguments[:4])
    if name == PARAMETER and arguments:
        return of_kind(Tensor, arguments[0])
    if name == DICT and not arguments:
        return {}
    if name == SIZE:
        return arguments
    raise ValueError(f"holds a pickle that calls {name} as no tensor does")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    of_kind(Storage, storage)
    axes = [of_kind(int, axis) for axis in of_kind(tuple, shape)]
    steps = [of_kind(int, stride) for stride in of_kind(tuple, strides)]
    if len(axes) != len(steps) or len(axes) > MAX_AXES or min([of_kind(int, offset), *axes, *steps]) < 0:
        raise ValueError("holds a tensor whose shape and strides do not fit")
    last = offset + sum((axis - 1) * step for axis, step in zip(axes, steps, strict=True))
    size = math.prod(axes)
    if size and (last >= storage.count or size > storage.count):
        raise ValueError(f"holds a tensor of {size} numbers that go beyond the {storage.count} of its storage")
    return Tensor(storage, min(offset, storage.count), tuple(axes), tuple(steps))


def _storage(load: Callable[[str, str, int], bytes | memoryview], identity: Any) -> Storage:
    """What stands for a storage, by how the pickle calls it."""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise ValueError("holds a pickle that refers to what is no storage of tensors")
    kind, key, count = of_kind(Name, identity[1]).name, of_kind(str, identity[2]), of_kind(int, identity[4])
    if len(identity) > 5 and identity[5] is not None:
        raise ValueError("has a storage that is a view of another, which fastgru does not read")
    if kind not in STORAGES or count < 0:
        raise ValueError(f"has a storage of the kind {kind}, which fastgru does not read")
    return Storage(STORAGES[kind], count, partial(load, key, STORAGES[kind], count))


def _value(content: bytes | io.BytesIO, load: Callable[[str, str, int], bytes | memoryview]) -> Any:
    try:
        return pickled.value(content, NAMES, _made, partial(_storage, load))
    except ValueError as error:
        if "which is code" in str(error):
            raise ValueError(f"{error}; {WAY}") from error
        raise


# --- the two forms ----------------------------------------------------------------------------------------------------


@contextmanager
def stored_archive(file: str, source: FilePath | bytes) -> Iterator[StoredModel]:
    """The state dict in an archive of torch 1.6 or later; `file` is its name in error messages."""
    with reading(file), zip_archive.opened(source) as archive:
        names = archive.names
        roots = [name.removesuffix(PICKLE) for name in names if name.endswith(f"/{PICKLE}") or name == PICKLE]
        if len(roots) != 1 or f"{roots[0]}{OF_TORCHSCRIPT}" in names:
            raise ValueError(f"is a TorchScript program of PyTorch, which is code; {WAY}")
        (root,) = roots

        def member(name: str) -> bytes:
            return archive.content(archive.member(f"{root}{name}"))

        byteorder = member("byteorder") if f"{root}byteorder" in names else b"little"
        if byteorder != b"little":
            raise ValueError("was written on a machine with the other order of bytes, which fastgru does not read")
        size = archive.member(f"{root}{PICKLE}").size
        if size > MAX_PICKLE:
            raise ValueError(f"has a pickle of {size} bytes; at most {MAX_PICKLE} are accepted")
        outer = _value(member(PICKLE), lambda key, dtype, count: member(f"data/{key}"))
        yield _stored(file, outer)


def stored_legacy(file: str, source: FilePath | bytes) -> StoredModel:
    """The state dict in a file of before torch 1.6."""
    with reading(file):
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        stream = io.BytesIO(data)
        places: dict[str, memoryview] = {}
        sizes: dict[str, int] = {}

        def load(key: str, dtype: str, count: int) -> memoryview:
            return places[key]

        def storage(identity: Any) -> Storage:
            made = _storage(load, identity)
            sizes[identity[2]] = made.count * numbers.item_size(made.dtype)
            return made

        if pickled.value(stream, ()) != MAGIC or pickled.value(stream, ()) != PROTOCOL:
            raise ValueError("is a pickle, but not one of PyTorch's")
        pickled.value(stream, ())  # what machine wrote it
        try:
            outer = pickled.value(stream, NAMES, _made, storage)
        except ValueError as error:
            raise ValueError(f"{error}; {WAY}") from error
        for key in of_kind(list, pickled.value(stream, ())):
            start = stream.tell() + 8
            size = sizes.get(of_kind(str, key), 0)
            if start + size > len(data):
                raise ValueError(f"is cut short: the storage {key[:40]!r} goes beyond its end")
            places[key] = memoryview(data)[start : start + size]
            stream.seek(start + size)
        if sizes.keys() - places.keys():
            raise ValueError("is cut short: it lacks the numbers of its tensors")
        return _stored(file, outer)


# --- the state dict ---------------------------------------------------------------------------------------------------


def _stored(file: str, outer: Any) -> StoredModel:
    if not isinstance(outer, dict):
        raise ValueError(f"holds a {type(outer).__name__} and no state dict; {WAY}")
    dicts = _state_dicts(outer)
    if len(dicts) != 1:
        names = ", ".join(repr(name[:40]) for name, _ in dicts[:8]) or "no tensors"
        raise ValueError(f"holds {len(dicts)} state dicts where one is expected ({names}); {WAY}")
    ((place, tensors),) = dicts
    arrays: list[tuple[str, StoredArray]] = []
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor) and tensor.is_real:
            full = str(name)
            arrays.append((full, Tensor(tensor.storage, tensor.offset, tensor.shape, tensor.strides, file, full)))
    return state_dict.stored(file, "PyTorch state dict", arrays, place=place)


def _state_dicts(outer: dict[Any, Any]) -> list[tuple[str, dict[Any, Any]]]:
    """The dicts of tensors in a dict, by their paths; not those of an optimizer, whose keys are numbers."""
    dicts, visited = [], set()
    stack: list[tuple[str, dict[Any, Any], int]] = [("", outer, 0)]
    while stack:
        place, value, depth = stack.pop()
        if id(value) in visited or depth > MAX_NESTING:
            continue
        visited.add(id(value))
        if any(isinstance(name, str) and isinstance(entry, Tensor) for name, entry in value.items()):
            dicts.append((place, value))
            continue
        inner = [(name, entry) for name, entry in value.items() if isinstance(name, str) and isinstance(entry, dict)]
        stack += [(f"{place}/{name}".lstrip("/"), entry, depth + 1) for name, entry in reversed(inner)]
    return dicts
