"""HDF5 read with care, and written in memory.

Only what stands in the file itself is read: no soft or external links, no external storage, no virtual datasets.
"""

from __future__ import annotations

import io
import math
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru.saving.formats import hdf5_limits as limits
from fastgru.saving.report import ModelFileError, reading
from fastgru.saving.stored import Array, FilePath

if TYPE_CHECKING:
    import h5py

# gzip, or shuffle and gzip; HDF5 would load others as plugins from the folders that its environment names
FILTERS = ((), (1,), (2, 1))
ATTRIBUTE_BYTES = 64512  # an HDF5 attribute holds no more; longer lists are cut into name0, name1, ...


class Dataset:
    """An array in a file, not read yet.

    Attributes
    ----------
    file, place : str
        For error messages.
    shape : tuple of int
    """

    def __init__(self, file: str, dataset: h5py.Dataset, bounds: limits.Bounds) -> None:
        from h5py import h5d

        self.file = file
        self.place = str(dataset.name)
        self._dataset = dataset
        self._bounds = bounds
        self._chunk = 0  # bytes of a compressed chunk
        self._gzip = 0
        with reading(file, self.place):
            plan = dataset.id.get_create_plist()
            layout = plan.get_layout()
            if plan.get_external_count():
                raise ValueError("keeps its numbers in another file, which fastgru does not open")
            if layout == h5d.VIRTUAL:
                raise ValueError("is a virtual dataset, which fastgru does not open")
            if dataset.shape is None:
                raise ValueError("is empty")
            self.shape: tuple[int, ...] = dataset.shape
            itemsize = dataset.dtype.itemsize
            declared, chunks = math.prod(self.shape) * itemsize, 0
            if layout == h5d.CHUNKED:
                chunk = plan.get_chunk()
                chunks = math.prod(math.ceil(axis / part) for axis, part in zip(self.shape, chunk, strict=True))
                declared = max(1, chunks) * math.prod(chunk) * itemsize
                filters = tuple(plan.get_filter(number)[0] for number in range(plan.get_nfilters()))
                if filters not in FILTERS:
                    raise ValueError(f"went through filters {filters}; gzip, with shuffle or without, is what is read")
                self._chunk = math.prod(chunk) * itemsize if filters else 0
                self._gzip = 1 << len(filters) >> 1  # its bit in the mask of the filters that a chunk left out
            bounds.count_array(declared, chunks)

    def read(self, dtype: npt.DTypeLike) -> Array:
        """The numbers. Compare `shape` with what is expected first: a small file can declare an array of any size."""
        import h5py

        with reading(self.file, self.place):
            stored = self._dataset.dtype
            if self._chunk:
                self._check_chunks()
            if stored.kind == "V" and stored.itemsize == 2 and self._is_bfloat16():
                # bfloat16 is the upper half of a float32
                halves = np.asarray(self._dataset[()]).view(np.uint16).astype(np.uint32)
                return (halves << 16).view(np.float32).astype(dtype)
            if h5py.check_enum_dtype(stored) is not None:
                raise ValueError("expected an array of numbers, got an enumeration, whose numbers stand for names")
            if stored.kind not in "fiu":
                raise ValueError(f"expected an array of numbers, got dtype {stored}")
            return np.asarray(self._dataset[()], dtype)

    def _is_bfloat16(self) -> bool:
        attributes = self._dataset.attrs
        return "dtype" in attributes and _decoded(_value(attributes, "dtype", self._bounds)) == "bfloat16"

    def _check_chunks(self) -> None:
        """ValueError where a compressed chunk unpacks to more than its size: HDF5 would unpack all of it."""
        dataset = self._dataset.id
        chunks: list[Any] = []
        dataset.chunk_iter(chunks.append)
        for chunk in chunks:
            # what cannot be compressed grows a little
            if chunk.size > self._chunk + self._chunk // 8 + 1024:
                raise ValueError(f"has a chunk of {self._chunk} bytes that takes {chunk.size}")
            _, packed = dataset.read_direct_chunk(chunk.chunk_offset)
            if not chunk.filter_mask & self._gzip:
                unpacking = zlib.decompressobj()
                if len(unpacking.decompress(packed, self._chunk + 1)) > self._chunk or not unpacking.eof:
                    raise ValueError(f"has a damaged chunk, which does not unpack to {self._chunk} bytes")


class Node:
    """A group of an HDF5 file."""

    def __init__(self, file: str, group: h5py.Group, bounds: limits.Bounds) -> None:
        self.file = file
        self.place = str(group.name)
        self._group = group
        self._bounds = bounds

    def __contains__(self, name: str) -> bool:
        with reading(self.file, self.place):
            return self._group.get(name, getclass=True, getlink=True) is not None

    def node(self, path: str) -> Node:
        """The group at a path below this one."""
        import h5py

        item = self._find(path)
        if not isinstance(item, h5py.Group):
            raise ModelFileError(f"{self.file}, {self._below(path)}: expected a group, found another kind of object.")
        return Node(self.file, item, self._bounds)

    def array(self, path: str) -> Dataset:
        """The array at a path below this group."""
        import h5py

        item = self._find(path)
        if not isinstance(item, h5py.Dataset):
            raise ModelFileError(f"{self.file}, {self._below(path)}: expected an array, found another kind of object.")
        return Dataset(self.file, item, self._bounds)

    def arrays(self) -> Iterator[tuple[list[str], Dataset]]:
        """All arrays below this group, each with the names on the way to it."""
        import h5py

        stack: list[tuple[list[str], h5py.Group]] = [([], self._group)]
        while stack:
            names, group = stack.pop()
            place = "/".join([self.place.rstrip("/"), *names]) or "/"
            with reading(self.file, place):
                if len(names) > limits.MAX_DEPTH:
                    raise ValueError(f"is nested deeper than {limits.MAX_DEPTH}")
                self._bounds.count_objects(len(group))
                members = list(group)
            for name in members:
                item = self._step(group, name, place)
                if isinstance(item, h5py.Dataset):
                    yield [*names, name], Dataset(self.file, item, self._bounds)
                elif isinstance(item, h5py.Group):
                    stack.append(([*names, name], item))

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
            value = int(self._value(attribute)) if attribute in self._group.attrs else None
            if value is not None and not 0 <= value <= limits.MAX_OBJECTS:
                raise ValueError(f"expected a number from 0 to {limits.MAX_OBJECTS}, got {value}")
            return value

    def strings(self, attribute: str) -> list[str] | None:
        """A list of texts, put together again where it was cut for its size; None where there is none."""
        with reading(self.file, f"attribute {attribute!r} of {self.place}"):
            attributes = self._group.attrs
            if attribute in attributes:
                return self._list(attribute)
            if f"{attribute}0" not in attributes:
                return None
            texts: list[str] = []
            part = 0
            while f"{attribute}{part}" in attributes:
                texts += self._list(f"{attribute}{part}")
                part += 1
            return texts

    def _list(self, attribute: str) -> list[str]:
        shape = self._group.attrs.get_id(attribute).shape
        if shape is None or len(shape) != 1 or shape[0] > limits.MAX_STRINGS:
            raise ValueError(f"expected a list of at most {limits.MAX_STRINGS} texts, its shape is {shape}")
        return [_decoded(text) for text in self._value(attribute)]

    def _value(self, attribute: str) -> Any:
        return _value(self._group.attrs, attribute, self._bounds)

    def _find(self, path: str) -> Any:
        names = path.split("/")
        with reading(self.file, self.place):
            self._bounds.count_objects(len(names))
            if len(names) > limits.MAX_DEPTH:
                raise ValueError(
                    f"refers to an array at a depth of {len(names)}; at most {limits.MAX_DEPTH} is accepted"
                )
        item: Any = self._group
        place = self.place
        for name in names:
            item = self._step(item, name, place)
            place = f"{place.rstrip('/')}/{name}"
        return item

    def _step(self, group: Any, name: str, place: str) -> Any:
        """What has a name in a group, which stands at a place."""
        from h5py import Group, h5l

        with reading(self.file, f"{place.rstrip('/')}/{name}"):
            links = group.id.links if isinstance(group, Group) else None
            link = name.encode("utf-8", "surrogateescape")
            if links is None or not links.exists(link):
                raise ValueError("is missing")
            kind = links.get_info(link).type
            if kind != h5l.TYPE_HARD:
                name = "SoftLink" if kind == h5l.TYPE_SOFT else "ExternalLink"
                raise ValueError(f"is a soft or external link ({name}), which fastgru does not follow")
            return group[name]

    def _below(self, path: str) -> str:
        return f"{self.place.rstrip('/')}/{path}"


def _value(attributes: h5py.AttributeManager, name: str, bounds: limits.Bounds) -> Any:
    """An attribute, if its size is acceptable."""
    import h5py

    stored = attributes.get_id(name)
    if stored.dtype.kind not in "SiufbO" or (
        stored.dtype.kind == "O" and h5py.check_string_dtype(stored.dtype) is None
    ):
        raise ValueError(f"expected text or numbers, got dtype {stored.dtype}")
    count = math.prod(stored.shape or ())
    if count > limits.MAX_STRINGS:
        raise ValueError(f"declares {count} texts or numbers; at most {limits.MAX_STRINGS} are accepted")
    if stored.dtype.kind == "O":
        bounds.count_text(name, count)
    elif stored.dtype.itemsize * count > limits.MAX_TEXT:
        raise ValueError(f"declares {stored.dtype.itemsize * count} bytes; at most {limits.MAX_TEXT} are accepted")
    return attributes[name]


def _decoded(value: Any) -> str:
    text = value.decode("utf-8") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    return str(text)


@contextmanager
def opened(file: str, source: FilePath | bytes, size: int | None = None) -> Iterator[Node]:
    """The root group of an HDF5 file on disk or in memory.

    Parameters
    ----------
    file : str
        Its name in error messages.
    source : path or bytes
    size : int, optional
        Bytes of the file on disk where it is an archive, in which the source may be packed.
    """
    import h5py

    with reading(file):
        # all at once: other programs may write the file meanwhile, and what is mapped then ends the process
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        limits.check_heaps(data)
        try:
            root = h5py.File(io.BytesIO(data), "r")  # which shares the bytes
        except OSError as error:
            raise ValueError(f"is damaged or cut short ({error})") from error
    with root:
        yield Node(file, root, limits.Bounds(data, len(data) if size is None else size))


def image(fill: Callable[[h5py.File], None]) -> bytes:
    """The bytes of the HDF5 file that `fill` writes."""
    import h5py

    with h5py.File(os.urandom(8).hex(), "w", driver="core", backing_store=False) as file:
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
