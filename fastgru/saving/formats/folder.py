"""An unpacked `.keras` archive: a folder with its members."""

from __future__ import annotations

import os
from pathlib import Path

from fastgru.saving.stored import FilePath


class Folder:
    """The files of a folder, and those in one of its folders and inside of that; no link is followed.

    Attributes
    ----------
    sizes : dict of str to int
        Their bytes, by their names in the archive.
    """

    def __init__(self, path: FilePath, inner: str) -> None:
        self._path = Path(path)
        files = [*self._path.iterdir(), *_inside(self._path / inner)]
        self.sizes = {file.relative_to(self._path).as_posix(): file.lstat().st_size for file in files}

    def content(self, name: str) -> bytes:
        """The bytes of a file; ValueError where it is none."""
        path = self._path / name
        if path.is_symlink():
            raise ValueError("is a link, which fastgru does not follow")
        if not path.is_file():
            raise ValueError("is no file")
        return path.read_bytes()


def _inside(folder: Path) -> list[Path]:
    if folder.is_symlink():
        return []
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]
