"""Files that a program gets by their address."""

from __future__ import annotations

import os
import urllib.parse
import warnings
from pathlib import Path

from fastgru.checks import choice
from fastgru.utils import downloads

__all__ = ["get_file"]

ALGORITHMS = ("auto", "sha256", "md5")
SHA256_DIGITS = 64


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | list[str] | tuple[str, ...] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """The path of a file: in Keras's cache, else in the folder ``$FASTGRU_DATA``, else downloaded into the cache.

    Parameters
    ----------
    fname : str, optional
        Name in the cache; that in the address where absent. Of an archive that is unpacked, a name without an ending
        is that of the folder.
    origin : str
        The address.
    untar, md5_hash
        Older words for ``extract=True, archive_format="tar"`` and ``file_hash``.
    file_hash : str, optional
        sha256 or md5 of the file, in hexadecimal digits; a file in the cache with another hash is fetched anew.
    cache_subdir : str
        Folder in the cache, or an absolute path.
    hash_algorithm : {"auto", "sha256", "md5"}
        "auto" tells it by the number of digits.
    extract : bool
        Unpack the file, a tar (compressed or not) or a zip, into a folder beside it.
    archive_format : {"auto", "tar", "zip"}, list of them or None
        Which formats are tried.
    cache_dir : path, optional
        The cache; ``$KERAS_HOME`` or ``~/.keras`` where absent.
    force_download : bool
        Fetch the file although it is at hand.

    Returns
    -------
    str
        Path of the file, or of the folder that it was unpacked into.

    Raises
    ------
    UnavailableError
        The file is not at hand and cannot be downloaded; says where to put it. An OSError.
    ValueError
        There is no address or no name, or a member of the archive leads out of its folder.
    """
    if origin is None:
        raise ValueError('get_file: Please specify the "origin" argument, the URL of the file to download.')
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    algorithm = _algorithm(hash_algorithm, file_hash)
    name = _name(fname, origin)
    folder = Path(downloads.cache_folder() if cache_dir is None else cache_dir).expanduser() / cache_subdir
    is_archive = extract or untar
    target = folder / (f"{name}_archive" if is_archive and (not fname or "." not in name) else name)
    file = None if force_download else _at_hand(target, name, file_hash, algorithm)
    is_new = file is None
    if file is None:
        downloads.download(origin, target, name, file_hash, algorithm, file_name=name)
        file = target
    if not is_archive:
        return str(file)
    unpacked = folder / (f"{name.split('.', 1)[0]}_extracted" if fname and "." in name else name)
    if is_new or not unpacked.is_dir():
        _extract(file, unpacked, "tar" if untar else archive_format)
    return str(unpacked)


def _algorithm(algorithm: str, file_hash: str | None) -> str:
    if choice(algorithm, ALGORITHMS, "get_file", "hash_algorithm") != "auto":
        return algorithm
    return "sha256" if file_hash is not None and len(file_hash) == SHA256_DIGITS else "md5"


def _name(fname: str | os.PathLike[str] | None, origin: str) -> str:
    name = os.fspath(fname) if fname else Path(urllib.parse.urlsplit(origin).path).name
    if not name:
        raise ValueError(f"get_file: Can't parse the file name from the origin provided: {origin!r}; give `fname`.")
    if Path(name).name != name:
        raise ValueError(
            "get_file: Paths are no longer accepted as the `fname` argument, use `cache_dir` and `cache_subdir` "
            f"for the folder, got {name!r}."
        )
    return name


def _at_hand(target: Path, name: str, file_hash: str | None, algorithm: str) -> Path | None:
    """The file in the cache or the folder of the environment, where its hash is the right one."""
    for file in (target, downloads.data_file(name)):
        if file is None or not file.is_file():
            continue
        if file_hash is None or downloads.digest(file, algorithm) == file_hash.lower():
            return file
        warnings.warn(
            f"{file}: the {algorithm} hash of the file is not {file_hash}; it is incomplete or outdated and "
            "fetched anew.",
            stacklevel=3,
        )
    return None


def _extract(file: Path, folder: Path, archive_format: str | list[str] | tuple[str, ...] | None) -> None:
    from fastgru.utils import archives  # few files are archives

    formats = archives.FORMATS if archive_format == "auto" else archive_format or ()
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    for one in formats:
        choice(one, archives.FORMATS, "get_file", "archive_format")
    if not archives.extract(file, folder, formats):
        warnings.warn(f"get_file: {file} is no archive of the formats {formats} and is not extracted.", stacklevel=3)
