"""What an HDF5 file may declare, and what would lead the HDF5 library astray: looked up in the bytes beforehand."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

MAX_DEPTH = 64
MAX_OBJECTS = 50_000  # each counts as often as it is reached
MAX_STRINGS = 100_000
MAX_TEXT = 1 << 24  # bytes of one attribute, whose longest is the text of a model
# the arrays may declare this many bytes in all, or this multiple of the file's size
MAX_UNPACKED = 1 << 28
MAX_EXPANSION = 100
MAX_CHUNKS = 100_000
SUPERBLOCK_BYTES = 48
NOWHERE = (1 << 64) - 1
HEAP_START = b"GCOL\x01"
REFERENCE = 16  # bytes of a reference to a text: its length, the heap's place, index
HEAP_BYTES = 4096  # a global heap has at least this size


class Bounds:
    """What a file has declared so far, and how much it may.

    Attributes
    ----------
    data : bytes
        The file.
    size : int
        Bytes of the file on disk.
    longest : dict
        For each attribute's name that was looked up, `_longest`.
    """

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size
        self.objects = self.declared = self.chunks = self.text = 0
        self.longest: dict[str, dict[int, int]] = {}

    def count_objects(self, objects: int) -> None:
        """ValueError where the file leads to too many objects."""
        self.objects += objects
        if self.objects > MAX_OBJECTS:
            raise ValueError(f"is one of more than {MAX_OBJECTS} objects, which are not accepted")

    def count_array(self, declared: int, chunks: int) -> None:
        """ValueError where the file's arrays are too large in all, or too much cut up."""
        self.declared += declared
        self.chunks += chunks
        if self.declared > max(MAX_UNPACKED, MAX_EXPANSION * self.size):
            raise ValueError(
                f"declares {declared} bytes, {self.declared} with those before it, and the file has {self.size}; at "
                f"most {MAX_EXPANSION} times its size or {MAX_UNPACKED} bytes are accepted"
            )
        if self.chunks > MAX_CHUNKS:
            raise ValueError(f"is cut into {chunks} chunks; at most {MAX_CHUNKS} in all are accepted")

    def count_text(self, name: str, count: int) -> None:
        """ValueError where the texts of an attribute are too long, or cannot be found.

        The HDF5 library believes the length in a reference to a text and takes the memory before it looks at the text.
        So the references are looked up in the messages of all attributes of this name and number of texts.
        """
        if name not in self.longest:
            self.longest[name] = self._longest(name.encode("utf-8", "surrogateescape") + b"\0")
        length = self.longest[name].get(count)
        if length is None:
            raise ValueError("is damaged, or laid out as no Keras does")
        if length > MAX_TEXT:
            raise ValueError(f"declares {length} bytes; at most {MAX_TEXT} are accepted")
        self.text += length
        if self.text > MAX_UNPACKED:
            raise ValueError(f"is one of texts of {self.text} bytes in all; at most {MAX_UNPACKED} are accepted")

    def _longest(self, key: bytes) -> dict[int, int]:
        """For each number of texts that attributes of a name have, the bytes of the texts where they are most."""
        longest: dict[int, int] = {}
        place = self.data.find(key)
        while place >= 0:
            for count, references in self._messages(place, key):
                length = int(np.frombuffer(references, "<u4")[::4].sum(dtype=np.int64))
                longest[count] = max(length, longest.get(count, 0))
            place = self.data.find(key, place + 1)
        return longest

    def _messages(self, place: int, key: bytes) -> Iterator[tuple[int, bytes]]:
        """The number of texts, and the references to them, in what may be an attribute's message, its name at a place.

        Version, flags, sizes of name, type and space; name, type and space; for each text its length, heap and index.
        """
        data = self.data
        for version, begin, multiple in ((1, place - 8, 8), (2, place - 8, 1), (3, place - 9, 1)):
            if begin < 0 or data[begin] != version or _number(data, begin + 2, 2) != len(key):
                continue
            sizes = (len(key), _number(data, begin + 4, 2), _number(data, begin + 6, 2))
            name_size, type_size, space_size = (-(-size // multiple) * multiple for size in sizes)
            space = place + name_size + type_size
            texts = space + space_size
            if max(texts, space + 2) > len(data):
                continue
            axes = space + (8 if data[space] == 1 else 4)
            count = math.prod(_number(data, axes + 8 * axis, 8) for axis in range(data[space + 1]))
            if texts + REFERENCE * count <= len(data):
                yield count, data[texts : texts + REFERENCE * count]


def check_heaps(data: bytes) -> None:
    """ValueError where the HDF5 library would read the file for ever.

    Texts of any length stand in global heaps. The library walks through one from object to object: free space, index 0,
    of no bytes leads it nowhere, nor does an object of nearly 2**64 bytes.
    The format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, section III.E.
    """
    if len(data) < SUPERBLOCK_BYTES:
        raise ValueError("is damaged or cut short")
    later = data[8] >= 2  # the version of the superblock
    offsets, base = (9, 12) if later else (13, 24)
    # addresses and lengths of 8 bytes each, counted from the file's first byte, no driver for several files
    if _number(data, offsets, 2) != 0x0808 or _number(data, base, 8) or (not later and _number(data, 48, 8) != NOWHERE):
        raise ValueError("is damaged, or laid out as no Keras does: its superblock is unusual")
    start = data.find(HEAP_START)
    while start >= 0:
        end = start + _number(data, start + 8, 8)
        if end > len(data):
            raise ValueError(f"is damaged or cut short: the global heap at byte {start} goes beyond its end")
        if start + HEAP_BYTES <= end:
            place = start + 16
            while place + 16 <= end:
                index, length = _number(data, place, 2), _number(data, place + 8, 8)
                step = 16 + (length + 7) // 8 * 8 if index else length
                if not 0 < step <= end - place:
                    raise ValueError(f"is damaged: the global heap at byte {start} is broken")
                place += step
        start = data.find(HEAP_START, start + 1)


def _number(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "little")
