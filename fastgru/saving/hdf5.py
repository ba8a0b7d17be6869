"""HDF5 read with care, and written in memory.

Only what stands in the file itself is read: no soft or external links, no external storage, no virtual datasets.
"""

from __future__ import annotations

import math
import mmap
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru.saving.errors import ModelFileError, reading

if TYPE_CHECKING:
    import h5py

Array = npt.NDArray[Any]

MAX_DEPTH = 64
MAX_OBJECTS = 100_000
MAX_STRINGS = 1_000_000
MAX_TEXT = 1 << 26  # bytes of one attribute
# an array may declare this many bytes, or this multiple of what it takes in the file
MAX_UNPACKED = 1 << 26
MAX_EXPANSION = 1000
HEAP_START = b"GCOL\x01"
HEAP_BYTES = 4096  # a global heap has at least this size
MIN_ABSURD = 1 << 24  # a text of fewer bytes does no harm, whatever its place holds
ATTRIBUTE_BYTES = 64512  # an HDF5 attribute holds no more; longer lists are cut into name0, name1, ...


class StoredArray:
    """An array in a file, not read yet.

    Attributes
    ----------
    file, place : str
        For error messages.
    shape : tuple of int
    """

    def __init__(self, file: str, dataset: h5py.Dataset) -> None:
        self.file = file
        self.place = str(dataset.name)
        self._dataset = dataset
        with reading(file, self.place):
            if dataset.external:
                raise ValueError("keeps its numbers in another file, which fastgru does not open")
            if dataset.is_virtual:
                raise ValueError("is a virtual dataset, which fastgru does not open")
            if dataset.shape is None:
                raise ValueError("is empty")
            self.shape: tuple[int, ...] = dataset.shape
            declared, taken = math.prod(self.shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
            if declared > max(MAX_UNPACKED, MAX_EXPANSION * taken):
                raise ValueError(
                    f"declares {declared} bytes but takes {taken} in the file; at most {MAX_EXPANSION} times its size "
                    f"or {MAX_UNPACKED} bytes are accepted"
                )

    def read(self, dtype: npt.DTypeLike) -> Array:
        """The numbers. Compare `shape` with what is expected first: a small file can declare an array of any size."""
        with reading(self.file, self.place):
            stored = self._dataset.dtype
            if stored.kind == "V" and stored.itemsize == 2 and self._dataset.attrs.get("dtype") == "bfloat16":
                # bfloat16 is the upper half of a float32
                halves = np.asarray(self._dataset[()]).view(np.uint16).astype(np.uint32)
                return (halves << 16).view(np.float32).astype(dtype)
            if stored.kind not in "fiu":
                raise ValueError(f"expected an array of numbers, got dtype {stored}")
            return np.asarray(self._dataset[()], dtype)


class Node:
    """A group of an HDF5 file."""

    def __init__(self, file: str, group: h5py.Group) -> None:
        self.file = file
        self.place = str(group.name)
        self._group = group

    def __contains__(self, name: str) -> bool:
        with reading(self.file, self.place):
            return self._group.get(name, getclass=True, getlink=True) is not None

    def node(self, path: str) -> Node:
        """The group at a path below this one."""
        import h5py

        found = self._find(path)
        if not isinstance(found, h5py.Group):
            raise ModelFileError(f"{self.file}, {self._below(path)}: expected a group, found another kind of object.")
        return Node(self.file, found)

    def array(self, path: str) -> StoredArray:
        """The array at a path below this group."""
        import h5py

        found = self._find(path)
        if not isinstance(found, h5py.Dataset):
            raise ModelFileError(f"{self.file}, {self._below(path)}: expected an array, found another kind of object.")
        return StoredArray(self.file, found)

    def arrays(self) -> Iterator[tuple[list[str], StoredArray]]:
        """All arrays below this group, each with the names on the way to it."""
        import h5py

        waiting: list[tuple[list[str], h5py.Group]] = [([], self._group)]
        seen = 0
        while waiting:
            names, group = waiting.pop()
            with reading(self.file, str(group.name)):
                members = list(group)
                seen += len(members)
                if len(names) > MAX_DEPTH or seen > MAX_OBJECTS:
                    raise ValueError(f"is nested deeper than {MAX_DEPTH} or holds more than {MAX_OBJECTS} objects")
            for name in members:
                found = self._step(group, name)
                if isinstance(found, h5py.Dataset):
                    yield [*names, name], StoredArray(self.file, found)
                elif isinstance(found, h5py.Group):
                    waiting.append(([*names, name], found))

    def has_attribute(self, name: str) -> bool:
        """Whether the group itself has an attribute of this name."""
        with reading(self.file, self.place):
            return name in self._group.attrs

    def text(self, attribute: str) -> str | None:
        """A text attribute; None where there is none."""
        with reading(self.file, f"attribute {attribute!r} of {self.place}"):
            return _decoded(self._value(attribute)) if attribute in self._group.attrs else None

    def number(self, attribute: str) -> int | None:
        """A whole number as attribute; None where there is none."""
        with reading(self.file, f"attribute {attribute!r} of {self.place}"):
            found = int(self._value(attribute)) if attribute in self._group.attrs else None
            if found is not None and not 0 <= found <= MAX_OBJECTS:
                raise ValueError(f"expected a number from 0 to {MAX_OBJECTS}, got {found}")
            return found

    def strings(self, attribute: str) -> list[str] | None:
        """A list of texts, put together again where it was cut for its size; None where there is none."""
        with reading(self.file, f"attribute {attribute!r} of {self.place}"):
            attributes = self._group.attrs
            if attribute in attributes:
                return self._list(attribute)
            if f"{attribute}0" not in attributes:
                return None
            found: list[str] = []
            part = 0
            while f"{attribute}{part}" in attributes:
                found += self._list(f"{attribute}{part}")
                part += 1
            return found

    def _list(self, attribute: str) -> list[str]:
        shape = self._group.attrs.get_id(attribute).shape
        if shape is None or len(shape) != 1 or shape[0] > MAX_STRINGS:
            raise ValueError(f"expected a list of at most {MAX_STRINGS} texts, its shape is {shape}")
        return [_decoded(text) for text in self._value(attribute)]

    def _value(self, attribute: str) -> Any:
        """An attribute, once its size was found acceptable."""
        found = self._group.attrs.get_id(attribute)
        size = found.dtype.itemsize * math.prod(found.shape or ())
        if size > MAX_TEXT:
            raise ValueError(f"declares {size} bytes; at most {MAX_TEXT} are accepted")
        return self._group.attrs[attribute]

    def _find(self, path: str) -> Any:
        found: Any = self._group
        for name in path.split("/"):
            found = self._step(found, name)
        return found

    def _step(self, group: Any, name: str) -> Any:
        import h5py

        with reading(self.file, f"{str(group.name).rstrip('/')}/{name}"):
            link = group.get(name, getclass=True, getlink=True) if isinstance(group, h5py.Group) else None
            if link is None:
                raise ValueError("is missing")
            if link is not h5py.HardLink:
                raise ValueError("is a soft or external link, which fastgru does not follow")
            return group[name]

    def _below(self, path: str) -> str:
        return f"{self.place.rstrip('/')}/{path}"


def _decoded(value: Any) -> str:
    text = value.decode("utf-8") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    return str(text)


@contextmanager
def opened(file: str, source: Path | bytes) -> Iterator[Node]:
    """The root group of an HDF5 file on disk or in memory; `file` is its name in error messages."""
    import h5py

    with reading(file):
        _check_heaps(source)
        try:
            root = h5py.File(source if isinstance(source, Path) else h5py.h5f.open_file_image(source), "r")
        except OSError as error:
            raise ValueError(f"is damaged or cut short ({error})") from error
    with root:
        yield Node(file, root)


def _check_heaps(source: Path | bytes) -> None:
    """ValueError where the HDF5 library would read the file for ever, or take memory without an end.

    Texts of any length stand in global heaps. The library walks through one from object to object: free space, index 0,
    of no bytes leads it nowhere. And it believes the length in a reference to an object before it looks at the object.
    The format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, section III.E.
    """
    if isinstance(source, Path):
        with source.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check_heaps_in(data)
    else:
        _check_heaps_in(source)


def _check_heaps_in(data: bytes | mmap.mmap) -> None:
    def number(place: int, size: int) -> int:
        return int.from_bytes(data[place : place + size], "little")

    heaps: dict[int, dict[int, int]] = {}  # of each heap the lengths of its objects
    start = data.find(HEAP_START)
    while start >= 0:
        end = start + number(start + 8, 8)
        if start + HEAP_BYTES <= end <= len(data):
            lengths = heaps[start] = {}
            place = start + 16
            while place + 16 <= end:
                index, length = number(place, 2), number(place + 8, 8)
                if index == length == 0:
                    raise ValueError(f"is damaged: the global heap at byte {start} is broken")
                lengths[index] = min(length, end - place)
                place += 16 + (length + 7) // 8 * 8 if index else length
        start = data.find(HEAP_START, start + 1)
    if heaps:
        _check_references(data, heaps)


def _check_references(data: bytes | mmap.mmap, heaps: dict[int, dict[int, int]]) -> None:
    """ValueError where a reference into a heap (length, the heap's place, index) names more than the object has."""
    whole = np.frombuffer(data, np.uint8)
    starts = np.array(sorted(heaps), "<u8")
    damaged = None
    # version 1 of the headers of objects, which h5py writes, keeps to multiples of 8, where the length comes first
    shifts = [4] if data.find(b"OHDR") < 0 else range(8)
    for shift in shifts:
        words = whole[shift : shift + (len(whole) - shift) // 8 * 8].view("<u8")
        near = np.flatnonzero((words >= starts[0]) & (words <= starts[-1]))
        for place in (near[np.isin(words[near], starts)] * 8 + shift).tolist():
            start, length, index = (
                int.from_bytes(whole[at : at + size].tobytes(), "little")
                for at, size in ((place, 8), (max(place - 4, 0), 4), (place + 8, 4))
            )
            if index and length > max(heaps[start].get(index, length), MIN_ABSURD):
                damaged = place - 4
    del words, whole  # the file cannot be closed while an array looks into it
    if damaged is not None:
        raise ValueError(f"is damaged: the text at byte {damaged} is longer than its place")


def image(fill: Callable[[h5py.File], None]) -> bytes:
    """The bytes of the HDF5 file that `fill` writes."""
    import h5py

    with h5py.File(secrets.token_hex(8), "w", driver="core", backing_store=False) as file:
        fill(file)
        file.flush()
        return bytes(file.id.get_file_image())


def write_strings(group: h5py.Group, attribute: str, texts: Sequence[str]) -> None:
    """Write a list of texts as an attribute, cut into parts where it is longer than an attribute can be."""
    data = np.array([text.encode("utf-8") for text in texts], dtype="S") if texts else np.empty(0)
    parts = math.ceil(data.nbytes / ATTRIBUTE_BYTES)
    if parts <= 1:
        group.attrs[attribute] = data
    else:
        rows = ATTRIBUTE_BYTES // data.itemsize
        for part, start in enumerate(range(0, len(data), rows)):
            group.attrs[f"{attribute}{part}"] = data[start : start + rows]
