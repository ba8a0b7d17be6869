"""Zip archives read with care: what a member would unpack to is known, and bounded, before it is unpacked."""

from __future__ import annotations

import copy
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

# a member may unpack to this size, or to this multiple of what it takes in the archive
MAX_UNPACKED = 1 << 28
MAX_EXPANSION = 100
MAX_MEMBERS = 10_000
MAX_DIRECTORY = 1 << 22
MARGIN = 1 << 16  # more than zipfile unpacks at a time
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others reserve what memory a member asks for


class _Stream(io.BufferedReader):
    """A file that is read in pieces of at most `limit` bytes, as long as there is a limit."""

    limit: int | None = MAX_DIRECTORY

    def read(self, size: int | None = -1, /) -> bytes:
        if self.limit is not None and size is not None and size > self.limit:
            raise ValueError(f"has a list of members of {size} bytes; at most {self.limit} are accepted")
        return super().read(size)


@contextmanager
def opened(source: Path | bytes) -> Iterator[zipfile.ZipFile]:
    """The archive on disk or in memory; ValueError where a member's name leads out of it, or there are too many."""
    raw: Any = io.FileIO(source) if isinstance(source, Path) else io.BytesIO(source)
    with _Stream(raw) as stream:
        archive = zipfile.ZipFile(stream)
        stream.limit = None
        names = archive.namelist()
        if len(names) > MAX_MEMBERS:
            raise ValueError(f"holds {len(names)} members; at most {MAX_MEMBERS} are accepted")
        strange = next((name for name in names if leads_out(name)), None)
        if strange is not None:
            raise ValueError(f"holds a member {strange[:80]!r}, whose path is absolute or leads out of the archive")
        with archive:
            yield archive


def content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member, unpacked; ValueError where it would be too large, or unpacks to another size than the archive says."""
    if info.compress_type not in METHODS:
        raise ValueError(f"is packed by method {info.compress_type}; members are stored or deflated")
    if info.compress_size > archive.start_dir:
        raise ValueError(f"is said to take {info.compress_size} bytes, of which the archive has {archive.start_dir}")
    if info.file_size > max(MAX_UNPACKED, MAX_EXPANSION * info.compress_size):
        raise ValueError(
            f"would unpack from {info.compress_size} to {info.file_size} bytes; at most {MAX_EXPANSION} times its "
            f"size or {MAX_UNPACKED} bytes are accepted"
        )
    # zipfile cuts a member at the size that it knows, without a word: it hears of a larger one
    larger = copy.copy(info)
    larger.file_size += MARGIN
    with archive.open(larger) as member:
        data = member.read(info.file_size + 1)
    if len(data) != info.file_size:
        more = "more" if len(data) > info.file_size else f"{len(data)}"
        raise ValueError(f"is said to unpack to {info.file_size} bytes and unpacks to {more}")
    return data


def leads_out(name: str) -> bool:
    """Whether a member's name is a path that is absolute or goes up."""
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    return ".." in parts or PurePosixPath(name).is_absolute() or bool(PureWindowsPath(name).anchor)
