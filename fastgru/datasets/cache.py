"""Where the files of published data sets are: in Keras's cache, in the user's folder, or on the network."""

from __future__ import annotations

import os
from pathlib import Path

from fastgru.utils import downloads

__all__ = ["ORIGIN", "cache_file", "file_of", "find"]

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
MD5_DIGITS = 32


def cache_file(path: str, where: str) -> Path:
    """Where Keras keeps a file of this name; an error begins with `where`."""
    if Path(path).name != path:
        raise ValueError(f"{where}: path is a file name inside Keras's cache, without folders, got {path!r}.")
    return downloads.cache_folder() / "datasets" / path


def find(path: str, name: str, where: str) -> Path | None:
    """Where a data set is at hand without a download, or None.

    Parameters
    ----------
    path : str
        File name in Keras's cache.
    name : str
        File name in the folder that ``$FASTGRU_DATA`` names, which may also name the file itself.
    where : str
        How an error begins.
    """
    candidates = [cache_file(path, where)]
    if text := os.environ.get("FASTGRU_DATA"):
        place = Path(text).expanduser()
        candidates += [place / name, place]
    return next((file for file in candidates if file.is_file()), None)


def file_of(path: str, name: str, title: str, file_hash: str) -> Path:
    """A published file: at hand, else downloaded into Keras's cache.

    Parameters
    ----------
    path, name : str
        See `find`; the file is published under `name`, too.
    title : str
        What errors call the data set.
    file_hash : str
        md5 or sha256 of the published file.

    Raises
    ------
    UnavailableError
        The file is not there and cannot be downloaded; says where to put it. An OSError.
    """
    file = find(path, name, title)
    if file is None:
        file = cache_file(path, title)
        algorithm = "md5" if len(file_hash) == MD5_DIGITS else "sha256"
        downloads.download(ORIGIN + name, file, title, file_hash, algorithm, file_name=name)
    return file
