"""Writes that happen whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def write(path: str | os.PathLike[str], data: bytes | memoryview | Iterable[bytes]) -> None:
    """Replace the file `path` by `data`: whoever looks sees the old file or the new one, also after a crash.

    Data may come in blocks, from an iterator whose errors leave the file as it was.

    The bytes go to a temporary file in the same folder first, which is removed if anything fails; what a killed process
    left there is removed by the next write into the folder. Of a symbolic link the file that it leads to is replaced,
    and the link stays.

    Raises
    ------
    OSError
        The path leads to something that is no regular file, the file is read-only, or the system refuses. The error
        names `path`.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = _mode(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target.parent)
        _replace(target, data, mode)
    except OSError as error:
        # of the temporary file nobody has heard
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    with contextlib.suppress(OSError):  # the file is in place; not every system can also sync its folder
        _sync_folder(target.parent)


def _mode(target: Path) -> int | None:
    """The mode of the file that is replaced, None where there is none; OSError where it must not be replaced."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "something else")
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EEXIST
        raise OSError(number, f"Expected a new name or that of a regular file, this is {kind}; give another")
    # an administrator may write anywhere, also where the mode says that nobody should
    if not mode & 0o222 or not os.access(target, os.W_OK):
        raise OSError(
            errno.EACCES, f"The file is read-only (mode {stat.S_IMODE(mode):04o}) and stays; give another name"
        )
    return stat.S_IMODE(mode)


def _replace(target: Path, data: bytes | memoryview | Iterable[bytes], mode: int | None) -> None:
    file = _temporary_file(target.parent)
    temporary = Path(file.name)
    try:
        with file:
            file.writelines([data] if isinstance(data, (bytes, memoryview)) else data)
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                temporary.chmod(mode)
            if sys.platform == "win32":
                file.close()  # an open file cannot be renamed there, elsewhere its lock must last until it is
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary_file(folder: Path) -> BinaryIO:
    """A new file in a folder, open and locked, which says to others that somebody is writing it."""
    while True:
        file = (folder / f".fastgru.{os.urandom(8).hex()}.tmp").open("xb")
        _lock(file)
        if Path(file.name).exists():  # else another process took it for abandoned before it was locked
            return file
        file.close()


def _remove_abandoned(folder: Path) -> None:
    """Remove the temporary files that no living process is writing."""
    for file in folder.glob(".fastgru.*.tmp"):
        # whoever is writing has the lock; Windows does not remove what is open
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                file.unlink()
            elif file.is_file():
                with file.open("rb") as stream:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    file.unlink()


def _lock(file: BinaryIO) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # where a file system has no locks, nothing is taken for abandoned either
            fcntl.flock(file, fcntl.LOCK_EX)


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder last through a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
