"""Archives unpacked into a folder of their own: nothing of them leaves it, and only files and folders are made."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fastgru.saving.formats.zip_archive import leads_out

__all__ = ["FORMATS", "extract"]

FORMATS = ("tar", "zip")

Member = tuple[str, IO[bytes] | None]  # its path, and its content; None for a folder


def extract(archive: Path, folder: Path, formats: tuple[str, ...]) -> bool:
    """Unpack an archive into a folder that appears when all of it is there, in the place of an older one.

    A link is unpacked as a copy of what it leads to inside the archive.

    Parameters
    ----------
    archive, folder : Path
    formats : tuple of {"tar", "zip"}
        Those that are tried; compressed tars are tars.

    Returns
    -------
    bool
        Whether the file is an archive of one of the formats.

    Raises
    ------
    ValueError
        A member's path leads out of the folder, or it is a device or a link to what is not in the archive; nothing
        is unpacked.
    """
    if "tar" in formats and tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            _unpack(archive, folder, _members_of_tar(tar))
    elif "zip" in formats and zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            _unpack(archive, folder, _members_of_zip(packed))
    else:
        return False
    return True


def _unpack(archive: Path, folder: Path, members: Iterator[Member]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fastgru.", dir=folder.parent) as place:
        unpacked = Path(place, "unpacked")
        unpacked.mkdir()
        for name, content in members:
            if leads_out(name):
                raise ValueError(f"{archive}: holds a member {name[:80]!r}, whose path leads out of the archive.")
            _write(unpacked / name, content)
        if folder.exists():
            folder.rename(Path(place, "older"))
        unpacked.rename(folder)


def _write(target: Path, content: IO[bytes] | None) -> None:
    if content is None:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as stream:
        shutil.copyfileobj(content, stream)


def _members_of_tar(archive: tarfile.TarFile) -> Iterator[Member]:
    for member in archive:
        if member.isdir():
            yield member.name, None
            continue
        if not (member.isreg() or member.islnk() or member.issym()):
            raise ValueError(f"{archive.name!s}: holds a member {member.name[:80]!r} that is a device or a FIFO.")
        try:
            content = archive.extractfile(member)
        except KeyError:
            raise ValueError(
                f"{archive.name!s}: holds a link {member.name[:80]!r} to {member.linkname[:80]!r}, which is not in "
                "the archive."
            ) from None
        if content is None:
            warnings.warn(f"{archive.name!s}: the link to a folder {member.name[:80]!r} is left out.", stacklevel=6)
            continue
        yield member.name, content


def _members_of_zip(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        yield info.filename, None if info.is_dir() else archive.open(info)
