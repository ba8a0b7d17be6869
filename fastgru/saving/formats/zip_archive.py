"""Zip archives read with care: what a member would unpack to is known, and bounded, before it is unpacked."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastgru.saving.formats import zip_plain
from fastgru.saving.formats.zip_plain import STORED, Bytes, Member

if TYPE_CHECKING:
    from fastgru.saving.formats.zip_library import LibraryArchive

# a member may unpack to this size, or to this multiple of what it takes in the archive
MAX_UNPACKED = 1 << 28
MAX_EXPANSION = 100
MAX_MEMBERS = 10_000
METHODS = (STORED, 8)  # and deflated; the others reserve what memory a member asks for


class Archive:
    """An open archive; ValueError where a member's name leads out of it, or there are too many.

    Attributes
    ----------
    members : sequence of Member
        In their order.
    names : set of str
    """

    def __init__(self, raw: Bytes) -> None:
        self._raw = raw
        self._plain = zip_plain.opened(raw)
        self._library: LibraryArchive | None = None
        self.members: Sequence[Member] = (self._plain or self._by_library()).members
        if len(self.members) > MAX_MEMBERS:
            raise ValueError(f"holds {len(self.members)} members; at most {MAX_MEMBERS} are accepted")
        self._named = {member.name: member for member in self.members}
        self.names = set(self._named)
        strange = next((member.name for member in self.members if leads_out(member.name)), None)
        if strange is not None:
            raise ValueError(f"holds a member {strange[:80]!r}, whose path is absolute or leads out of the archive")

    def _by_library(self) -> LibraryArchive:
        if self._library is None:
            from fastgru.saving.formats.zip_library import LibraryArchive

            self._library = LibraryArchive(self._raw)
        return self._library

    def member(self, name: str) -> Member:
        """The last member of a name; a KeyError where there is none."""
        if name not in self._named:
            raise KeyError(f"There is no item named {name!r} in the archive")
        return self._named[name]

    def content(self, member: Member) -> bytes:
        """A member, unpacked; ValueError where it would be too large, or unpacks to another size than is said."""
        if member.method not in METHODS:
            raise ValueError(f"is packed by method {member.method}; members are stored or deflated")
        if member.size > max(MAX_UNPACKED, MAX_EXPANSION * member.packed):
            raise ValueError(
                f"would unpack from {member.packed} to {member.size} bytes; at most {MAX_EXPANSION} times its size or "
                f"{MAX_UNPACKED} bytes are accepted"
            )
        data = None if self._plain is None else self._plain.content(member)
        if data is None:
            data = self._by_library().content(member)
        if len(data) != member.size:
            more = "more" if len(data) > member.size else f"{len(data)}"
            raise ValueError(f"is said to unpack to {member.size} bytes and unpacks to {more}")
        return data


@contextmanager
def opened(source: str | os.PathLike[str] | bytes) -> Iterator[Archive]:
    """The archive on disk or in memory."""
    with io.BytesIO(source) if isinstance(source, bytes) else io.FileIO(source) as raw:
        yield Archive(raw)


def leads_out(name: str) -> bool:
    """Whether a member's name is a path that is absolute or goes up, here or on Windows."""
    return name.startswith(("/", "\\")) or name[1:2] == ":" or ".." in name.replace("\\", "/").split("/")
