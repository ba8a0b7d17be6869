"""Files fetched from the network: whole, checked, or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastgru import atomic

__all__ = ["UnavailableError", "cache_folder", "data_file", "digest", "download"]

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 10.0
_BYTES_AT_ONCE = 1 << 16


class UnavailableError(OSError):
    """A file is not at hand and cannot be downloaded.

    Attributes
    ----------
    reason : str
        What stood in the way; the whole message adds where to put the file.
    """

    def __init__(self, name: str, url: str, target: Path, file_name: str, error: Exception) -> None:
        cause = getattr(error, "reason", error)  # urllib wraps what the system said
        self.reason = getattr(cause, "strerror", None) or str(cause)
        if folder := os.environ.get("FASTGRU_DATA"):
            self.reason += f"; FASTGRU_DATA={folder} holds no {file_name}"
        super().__init__(
            f"{name} cannot be downloaded ({self.reason}): put {url} at {target}, "
            f"or as {file_name} into a folder that FASTGRU_DATA names."
        )


class _Interrupted(Exception):
    """What ended a transfer, under a name that says that no file was at fault."""


def cache_folder() -> Path:
    """Where Keras keeps what it downloads: ``$KERAS_HOME`` or ``~/.keras``."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def data_file(name: str) -> Path | None:
    """The file of this name in the folder that ``$FASTGRU_DATA`` names, or None."""
    folder = os.environ.get("FASTGRU_DATA")
    file = Path(folder).expanduser() / name if folder else None
    return file if file is not None and file.is_file() else None


def digest(file: Path, algorithm: str) -> str:
    """The hash of a file's bytes, in hexadecimal digits."""
    with file.open("rb") as stream:
        hashed = hashlib.new(algorithm)
        while block := stream.read(_BYTES_AT_ONCE):
            hashed.update(block)
    return hashed.hexdigest()


def download(
    url: str,
    target: Path,
    name: str,
    file_hash: str | None = None,
    algorithm: str = "sha256",
    seconds: float | None = None,
    file_name: str = "",
) -> None:
    """Fetch a file, with a progress bar on a terminal; it gets its name after it is complete and its hash was checked.

    Parameters
    ----------
    url : str
    target : Path
        Where it goes; its folder is made where it is absent.
    name : str
        What the bar and an error call it.
    file_hash, algorithm : str, optional
        What the bytes must hash to, and how.
    seconds : float, optional
        Give up when all of it takes longer than that.
    file_name : str, optional
        What it is called in the folder of ``$FASTGRU_DATA``, for the error; that of the target where absent.

    Raises
    ------
    UnavailableError
        It cannot be fetched; the target is as it was.
    """
    # deferred: it takes longer to import than reading a file that is at hand
    from http.client import HTTPException

    try:
        atomic.write(target, _blocks(url, name, file_hash, algorithm, seconds))
    except (_Interrupted, HTTPException, OSError) as error:
        cause = error.__cause__ if isinstance(error, _Interrupted) else error
        assert isinstance(cause, Exception)
        raise UnavailableError(name, url, target, file_name or target.name, cause) from None


def _blocks(url: str, name: str, file_hash: str | None, algorithm: str, seconds: float | None) -> Iterator[bytes]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    deadline = time.monotonic() + (float("inf") if seconds is None else seconds)
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    hashed, size = hashlib.new(algorithm), 0
    try:
        with _opened(url, min(_CONNECT_SECONDS, deadline - time.monotonic())) as response, progress:
            total = int(response.headers.get("Content-Length") or 0) or None
            task = progress.add_task(name, total=total)
            # read1 returns with what one read of the socket brought, so the deadline is looked at in time
            while block := response.read1(_BYTES_AT_ONCE):
                hashed.update(block)
                size += len(block)
                progress.advance(task, len(block))
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete after {seconds:g} s")
                yield block
        if total is not None and size != total:
            raise OSError(f"{size:,} of {total:,} bytes arrived")
        if file_hash is not None and hashed.hexdigest() != file_hash.lower():
            received = hashed.hexdigest()
            raise OSError(f"{size:,} bytes arrived with {algorithm} {received[:12]}..., expected {file_hash[:12]}...")
    except OSError as error:
        raise _Interrupted from error


def _opened(url: str, seconds: float) -> Any:
    """The opened download; TimeoutError after so many seconds, looking up the host's name included.

    The name is looked up by the operating system, which knows no timeout: it is left behind in a thread of its own.
    """
    import urllib.request

    result: list[Any] = []

    def connect() -> None:
        try:
            result.append(urllib.request.urlopen(url, timeout=_READ_SECONDS))
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=connect, name="fastgru-download", daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        raise TimeoutError(f"no connection within {seconds:g} s")
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]
