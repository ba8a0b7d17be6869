"""Zip archives of every kind, by zipfile, which is kept from taking memory that an archive only asks for."""

from __future__ import annotations

import copy
import io
import zipfile

from fastgru.saving.formats import zip_plain
from fastgru.saving.formats.zip_plain import Bytes, Member

MARGIN = 1 << 16  # more than zipfile unpacks at a time


class _Stream(io.BufferedReader):
    """A file that is read in pieces of at most `limit` bytes, as long as there is a limit."""

    limit: int | None = zip_plain.MAX_DIRECTORY

    def read(self, size: int | None = -1, /) -> bytes:
        if self.limit is not None and size is not None and size > self.limit:
            raise ValueError(f"has a list of members of {size} bytes; at most {self.limit} are accepted")
        return super().read(size)


class LibraryArchive:
    """An archive as zipfile reads it."""

    def __init__(self, raw: Bytes) -> None:
        stream = _Stream(raw)
        self._archive = zipfile.ZipFile(stream)
        stream.limit = None
        self._infos = self._archive.infolist()
        self.members = [
            Member(number, info.filename, info.compress_type, info.compress_size, info.file_size)
            for number, info in enumerate(self._infos)
        ]

    def content(self, member: Member) -> bytes:
        """A member, unpacked, with one byte more than the archive says where it unpacks to more."""
        before_list = self._archive.start_dir
        if member.packed > before_list:
            raise ValueError(f"is said to take {member.packed} bytes, of which the archive has {before_list}")
        # zipfile cuts a member at the size that it knows, without a word: it hears of a larger one
        larger = copy.copy(self._infos[member.number])
        larger.file_size += MARGIN
        with self._archive.open(larger) as stream:
            return stream.read(member.size + 1)
