"""The plainest zip archive, which is what Keras and fastgru write, read without zipfile.

Importing zipfile, and what it imports, takes longer than opening a small model. An archive with anything beyond stored
members that lie one after the other is left to the library, a damaged one as well.
The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import io
import os
import zlib
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

Bytes = io.FileIO | io.BytesIO

STORED = 0  # the method of members that are not packed
MAX_DIRECTORY = 1 << 22  # bytes of the list of members

# of a member in its place and in the list, and of the list; disks, times and attributes are of no account
_HEADER, _ENTRY, _END = Struct("<4s3H4x3I2H"), Struct("<4s2x3H4x3I3H8xI"), Struct("<4s4H2IH")
_LOCATOR = 20  # bytes before the end that say, in archives of zip64, where another one is
_VERSION = 20  # of the format, times ten: the first with folders
_UTF_8 = 0x800  # the flag of a name that need not be ASCII


class Member(NamedTuple):
    """What an archive says of a member: its place among all, its name, how it is packed, in how many bytes, of what."""

    number: int
    name: str
    method: int
    packed: int
    size: int


class _NotPlain(ValueError):
    """It is for the library to read this archive, or to say what is wrong with it."""


class PlainArchive:
    """An archive of stored members.

    Parameters
    ----------
    stream : FileIO or BytesIO
        The archive, from its first byte to its last.
    """

    def __init__(self, stream: Bytes) -> None:
        self._stream = stream
        self.members: list[Member] = []
        self._places: list[tuple[int, int]] = []  # of each member its first byte and the checksum of all
        last = stream.seek(0, os.SEEK_END) - _END.size
        stream.seek(max(0, last))
        mark, disk, first_disk, count_here, count, length, start, comment = _END.unpack(stream.read())
        _only(mark == b"PK\x05\x06" and not (disk or first_disk or comment) and count_here == count)
        _only(start + length == last and length <= MAX_DIRECTORY)
        stream.seek(start)
        directory = stream.read(length)
        _only(not directory.startswith(b"PK\x06\x07", -_LOCATOR))  # a name that ends so has the library look elsewhere
        self._read(directory, count, start)

    def _read(self, directory: bytes, count: int, start: int) -> None:
        names = set()
        entry = place = 0
        for number in range(count):
            mark, *described, n_name, n_extra, n_comment, header = _ENTRY.unpack_from(directory, entry)
            version, flags, method, checksum, packed, size = described
            _only(mark == b"PK\x01\x02" and version <= _VERSION and flags in (0, _UTF_8))
            _only(method == STORED and packed == size)
            entry += _ENTRY.size + n_name
            name = directory[entry - n_name : entry]
            _only(header == place and not (n_extra or n_comment or name in names or b"\0" in name))
            names.add(name)
            place = self._start(place, described, name)
            self.members.append(Member(number, name.decode("utf-8" if flags else "ascii"), method, packed, size))
            self._places.append((place, checksum))
            place += size
            _only(place <= start)
        _only(entry == len(directory) and place == start)

    def _start(self, place: int, described: list[int], name: bytes) -> int:
        """The first byte of a member whose header stands at a place, and says of it what the list does."""
        self._stream.seek(place)
        header = self._stream.read(_HEADER.size + len(name))
        mark, *values, n_name, n_extra = _HEADER.unpack_from(header)
        _only(mark == b"PK\x03\x04" and values == described)
        _only(n_name == len(name) and header.endswith(name))
        return place + _HEADER.size + n_name + n_extra

    def content(self, member: Member) -> bytes | None:
        """A member; None where its bytes are others than those that were packed."""
        place, checksum = self._places[member.number]
        self._stream.seek(place)
        data = self._stream.read(member.size)
        return data if zlib.crc32(data) == checksum else None


def opened(stream: Bytes) -> PlainArchive | None:
    """The archive; None where it is not of the plainest kind."""
    try:
        return PlainArchive(stream)
    except (_NotPlain, StructError, UnicodeDecodeError):
        return None


def _only(plain: bool) -> None:
    if not plain:
        raise _NotPlain
