"""TensorFlow's tensor bundle, `NAME.index` and `NAME.data-00000-of-00001`: checkpoints and a SavedModel's variables.

The index is a sorted table of LevelDB: blocks of keys and values, a footer at the end that leads to the block which
leads to the others (https://github.com/google/leveldb/blob/main/doc/table_format.md). A value says where in which data
file a tensor stands (tensorflow/core/protobuf/tensor_bundle.proto). Checksums are checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy.typing as npt

from fastgru.saving.formats import crc32c, numbers
from fastgru.saving.formats.protobuf import FIXED32, INT, Message, decode, field, repeated, varint
from fastgru.saving.report import reading
from fastgru.saving.stored import Array

MAX_INDEX = 1 << 26
MAX_ENTRIES = 100_000
MAX_KEY = 1 << 16
MAX_AXES = 254  # of TensorFlow itself
FOOTER = 48
MAGIC = 0xDB4775248B80FB57
TRAILER = 5  # behind each block: how it is packed, a checksum
TEXT = 7  # the number of the type of texts

# numbers of types in tensorflow/core/framework/types.proto
DTYPES = {
    1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 17: "<u2", 19: "<f2", 22: "<u4",
    23: "<u8", 14: numbers.BFLOAT16,
}  # fmt: skip

DIMENSION = Message("TensorShapeProto.Dim", size=field(1, INT))
SHAPE = Message("TensorShapeProto", dim=repeated(2, DIMENSION))
HEADER = Message("BundleHeaderProto", num_shards=field(1, INT), endianness=field(2, INT))
SLICE = Message("TensorSliceProto")
ENTRY = Message(
    "BundleEntryProto",
    dtype=field(1, INT),
    shape=field(2, SHAPE),
    shard_id=field(3, INT),
    offset=field(4, INT),
    size=field(5, INT),
    crc32c=field(6, FIXED32),
    slices=repeated(7, SLICE),
)


@dataclass
class BundleArray:
    """A tensor in a bundle, a `StoredArray`: read when it is asked for."""

    data_file: Path
    place: str
    shape: tuple[int, ...]
    dtype: int
    offset: int
    size: int
    crc: int

    @property
    def file(self) -> str:
        return str(self.data_file)

    @property
    def is_real(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype in DTYPES and numbers.is_real(DTYPES[self.dtype])

    def read(self, dtype: npt.DTypeLike) -> Array:
        with reading(self.file, self.place):
            if self.dtype not in DTYPES:
                raise ValueError(f"expected an array of numbers, got TensorFlow's type {self.dtype}")
            data = self.content()
            if crc32c.masked(crc32c.checksum(data)) != self.crc:
                raise ValueError("is damaged: its checksum is another")
            return numbers.from_bytes(data, DTYPES[self.dtype], self.shape).astype(dtype, copy=False)

    def content(self) -> bytes:
        """Its bytes."""
        with self.data_file.open("rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.size)

    def text(self) -> bytes:
        """The bytes of a tensor of one text: its length, a checksum of the length, the text."""
        with reading(self.file, self.place):
            data = memoryview(self.content())
            length, place = varint(data, 0)
            text = data[place + 4 :]
            crc = crc32c.checksum(length.to_bytes(4, "little"))
            crc = crc32c.checksum(text, crc32c.checksum(data[place : place + 4], crc))
            if self.dtype != TEXT or len(text) != length or crc32c.masked(crc) != self.crc:
                raise ValueError("is damaged: expected one text with its checksum")
            return bytes(text)


def arrays(file: str, prefix: Path) -> dict[str, BundleArray]:
    """All tensors of a bundle by their keys; `prefix` is what the names of its files begin with."""
    with reading(file, f"{prefix.name}.index"):
        index = _plain_file(prefix.with_name(f"{prefix.name}.index"))
        if index.stat().st_size > MAX_INDEX:
            raise ValueError(f"has {index.stat().st_size} bytes; at most {MAX_INDEX} are accepted")
        entries = dict(table(memoryview(index.read_bytes())))
        header = decode(HEADER, entries.pop(b"", b""))
        shards = header["num_shards"]
        if header["endianness"]:
            raise ValueError("was written on a machine with the other order of bytes, which fastgru does not read")
        if not 0 < shards <= max(1, len(entries)):
            raise ValueError(f"is said to have {shards} data files for {len(entries)} tensors")
        ending = f"of-{shards:05}"
        files = [_plain_file(prefix.with_name(f"{prefix.name}.data-{shard:05}-{ending}")) for shard in range(shards)]
        sizes = [path.stat().st_size for path in files]
        declared, tensors = 0, {}
        for key, value in entries.items():
            name = str(key, "utf-8")
            with reading(file, name):
                tensors[name] = _array(name, value, files, sizes)
                declared += tensors[name].size
        if declared > sum(sizes):
            raise ValueError(f"its tensors declare {declared} bytes, and its data files have {sum(sizes)}")
        return tensors


def _plain_file(path: Path) -> Path:
    if path.is_symlink():
        raise ValueError(f"{path.name} is a link, which fastgru does not follow")
    if not path.is_file():
        raise ValueError(f"{path.name} is missing beside it")
    return path


def _array(name: str, value: memoryview, files: list[Path], sizes: list[int]) -> BundleArray:
    entry = decode(ENTRY, value)
    dtype, shape = entry["dtype"], tuple(axis["size"] for axis in (entry["shape"] or {"dim": []})["dim"])
    shard, offset, size = entry["shard_id"], entry["offset"], entry["size"]
    if len(shape) > MAX_AXES:
        raise ValueError(f"has {len(shape)} axes; at most {MAX_AXES} are accepted")
    if entry["slices"]:
        raise ValueError("is stored in slices, as of a partitioned variable, which fastgru does not read")
    if not 0 <= shard < len(files) or not 0 <= offset <= offset + size <= sizes[shard]:
        raise ValueError(f"is said to stand at byte {offset} of data file {shard}, beyond its end")
    fits = dtype not in DTYPES or math.prod(shape) * numbers.item_size(DTYPES[dtype]) == size
    if min(shape, default=0) < 0 or not fits:
        raise ValueError(f"has the shape {shape} and {size} bytes, which do not fit")
    return BundleArray(files[shard], name, shape, dtype, offset, size, entry["crc32c"])


# --- the table --------------------------------------------------------------------------------------------------------


def table(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """All keys of a sorted table with their values."""
    if len(data) < FOOTER or int.from_bytes(data[-8:], "little") != MAGIC:
        raise ValueError("is no index of TensorFlow's, or cut short")
    footer = data[-FOOTER:]
    _, place = _handle(footer, 0)
    blocks, _ = _handle(footer, place)
    count, used = 0, 0
    for _, handle in _block(data, blocks):
        inner, _ = _handle(handle, 0)
        used += inner[1]
        if used > len(data):
            raise ValueError("is damaged: its blocks are larger than the file")
        for key, value in _block(data, inner):
            count += 1
            if count > MAX_ENTRIES:
                raise ValueError(f"lists more than {MAX_ENTRIES} tensors, which are not accepted")
            yield key, value


def _handle(data: memoryview, place: int) -> tuple[tuple[int, int], int]:
    """Where a block is, its first byte and its size, and the place behind that."""
    start, place = varint(data, place)
    size, place = varint(data, place)
    return (start, size), place


def _block(data: memoryview, where: tuple[int, int]) -> Iterator[tuple[bytes, memoryview]]:
    """The keys and values of a block; a key tells how much of the one before it stands in it, too."""
    start, size = where
    if start + size + TRAILER > len(data):
        raise ValueError(f"is damaged: it has a block of {size} bytes at byte {start}, beyond its end")
    block, kind = data[start : start + size], data[start + size]
    if kind:
        raise ValueError(f"is packed by method {kind} (Snappy is 1); TensorFlow writes its indices unpacked")
    crc = crc32c.checksum(data[start : start + size + 1])
    if crc32c.masked(crc) != int.from_bytes(data[start + size + 1 : start + size + TRAILER], "little"):
        raise ValueError(f"is damaged: the checksum of its block at byte {start} is another")
    restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 - 4 * restarts
    if size < 4 or end < 0:
        raise ValueError(f"is damaged: its block at byte {start} has {restarts} restarts in {size} bytes")
    key, place = b"", 0
    while place < end:
        shared, place = varint(block, place)
        own, place = varint(block, place)
        length, place = varint(block, place)
        if shared > len(key) or shared + own > MAX_KEY or place + own + length > end:
            raise ValueError(f"is damaged: a key in its block at byte {start} is broken")
        key = key[:shared] + bytes(block[place : place + own])
        yield key, block[place + own : place + own + length]
        place += own + length
