"""The plainest HDF5, which is what h5py makes of weights unless it is asked for more, read without the HDF5 library.

Importing h5py takes longer than all else that opens a model. A file with anything beyond groups of the old kind and
arrays of whole or floating-point numbers in one piece is left to the library, a damaged one as well.
The format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from struct import error as StructError
from struct import unpack_from

import numpy as np

from fastgru.saving.formats import hdf5_limits as limits
from fastgru.saving.stored import Array, ArrayInMemory

# signature; versions of superblock, free space, root and shared headers; 8 bytes for an address and for a length
_START = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0])

# messages of an object's header (IV.A.2): what of an array matters, what of a group, and what is of no account
_SPACE, _TYPE, _LAYOUT, _MORE, _GROUP = 0x01, 0x03, 0x08, 0x10, 0x11
_IGNORED = {0x00, 0x04, 0x05, 0x0C, 0x0D, 0x0E, 0x12}  # fill values, attributes, comments, times
_CONTIGUOUS = b"\x03\x01"  # version and class of a layout
_MAX_NAME = 1024  # bytes
_MAX_RANK = 32  # the library's own limit

# a type as it stands in a file (IV.A.2.d)
_TYPES = {
    bytes.fromhex(encoded): np.dtype(name)
    for name, encoded in {
        "<f2": "11200f0002000000000010000a05000a0f000000",
        "<f4": "11201f000400000000002000170800177f000000",
        "<f8": "11203f000800000000004000340b0034ff030000",
        "<i4": "100800000400000000002000",
        "<i8": "100800000800000000004000",
        "<u4": "100000000400000000002000",
        "<u8": "100000000800000000004000",
    }.items()
}


class _NotPlain(ValueError):
    """It is for the HDF5 library to read this file, or to say what is wrong with it."""


def arrays(file: str, data: bytes) -> list[tuple[list[str], ArrayInMemory]] | None:
    """All arrays of an HDF5 file, each with the names on the way to it, as `hdf5.Node.arrays` gives them.

    Parameters
    ----------
    file : str
        Its name in error messages.
    data : bytes

    Returns
    -------
    list, or None
        None where the file is not of the plainest kind.
    """
    try:
        return list(_arrays(file, data))
    except (_NotPlain, StructError, UnicodeDecodeError, OverflowError):
        return None


def _arrays(file: str, data: bytes) -> Iterator[tuple[list[str], ArrayInMemory]]:
    base, _, end, driver, _, root = unpack_from("<6Q", data, 24)
    _only(data.startswith(_START) and base == 0 and driver == limits.NOWHERE and end <= len(data))
    stack: list[tuple[list[str], int]] = [([], root)]
    visited: set[int] = set()  # headers and nodes of trees: else a small file could be a tree without end
    unread = len(data)
    while stack:
        names, place = stack.pop()
        tree, heap = unpack_from("<2Q", _messages(data, place).get(_GROUP, b""))
        for name, inner in _members(data, tree, heap, visited):
            path = [*names, name]
            _only(inner not in visited and len(visited) < limits.MAX_OBJECTS and len(path) <= limits.MAX_DEPTH)
            visited.add(inner)
            messages = _messages(data, inner)
            if _GROUP in messages:
                stack.append((path, inner))
            else:
                array = _array(data, messages)
                unread -= array.nbytes
                _only(unread >= 0)  # no array lies over another
                yield path, ArrayInMemory(file, "/" + "/".join(path), array)


def _messages(data: bytes, place: int) -> dict[int, bytes]:
    """The messages of the header of an array or of a group, one of each kind (IV.A.1.a)."""
    version, _, count, _, size = unpack_from("<BBHII", data, place)
    _only(version == 1)
    blocks, messages = [(place + 16, size)], {}
    while blocks:
        place, size = blocks.pop()
        end = place + size
        _only(end <= len(data))
        while count and place + 8 <= end:
            kind, length, flags = unpack_from("<HHB", data, place)
            content = data[place + 8 : place + 8 + length]
            place += 8 + length
            count -= 1
            _only(place <= end and not flags & 2)  # it is not shared
            if kind == _MORE:
                blocks.append(unpack_from("<2Q", content))
            elif kind not in _IGNORED:
                _only(kind in (_SPACE, _TYPE, _LAYOUT, _GROUP) and kind not in messages)
                messages[kind] = content
    _only(messages.keys() in ({_GROUP}, {_SPACE, _TYPE, _LAYOUT}))
    return messages


def _members(data: bytes, tree: int, heap: int, visited: set[int]) -> Iterator[tuple[str, int]]:
    """The names in a group in their order, each with the place of its header (III.A.1, III.C, III.D)."""
    previous = b""
    _only(data[heap : heap + 5] == b"HEAP\0")
    size, _, texts = unpack_from("<3Q", data, heap + 8)
    _only(texts + size <= len(data))
    for node in _leaves(data, tree, visited):
        signature, version, _, count = unpack_from("<4sBBH", data, node)
        _only(signature == b"SNOD" and version == 1)
        for entry in range(node + 8, node + 8 + 40 * count, 40):
            start, header, cached = unpack_from("<QQI", data, entry)
            _only(start < size and cached < 2)  # it is no soft link
            begin = texts + start
            end = data.find(b"\0", begin, min(texts + size, begin + _MAX_NAME))
            text = data[begin : max(begin, end)]
            _only(previous < text)  # the library looks a name up where it stands in this order
            previous = text
            yield text.decode(), header


def _leaves(data: bytes, tree: int, visited: set[int], level: int | None = None) -> Iterator[int]:
    """The nodes of symbols at the leaves of a group's tree, in their order."""
    signature, kind, height, count = unpack_from("<4sBBH", data, tree)
    _only(signature == b"TREE" and kind == 0 and level in (None, height) and height <= limits.MAX_DEPTH)
    for number in range(count):
        (child,) = unpack_from("<Q", data, tree + 32 + 16 * number)
        _only(child not in visited)
        visited.add(child)
        if height:
            yield from _leaves(data, child, visited, height - 1)
        else:
            yield child


def _array(data: bytes, messages: dict[int, bytes]) -> Array:
    space, layout = messages[_SPACE], messages[_LAYOUT]
    version, rank, flags = unpack_from("<3B", space)
    _only(version == 1 and rank <= _MAX_RANK and not flags & 2 and layout.startswith(_CONTIGUOUS))
    shape = unpack_from(f"<{rank}Q", space, 8)
    dtype = next((dtype for encoded, dtype in _TYPES.items() if messages[_TYPE].startswith(encoded)), np.dtype("V"))
    place, size = unpack_from("<2Q", layout, 2)
    count = math.prod(shape)
    _only(size == count * dtype.itemsize and size > 0 and place + size <= len(data))
    return np.frombuffer(data, dtype, count, place).reshape(shape)


def _only(plain: bool) -> None:
    if not plain:
        raise _NotPlain
