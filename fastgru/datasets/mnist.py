"""MNIST: 70,000 handwritten digits of 28x28 pixels, in the file and the cache that Keras uses."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from fastgru import atomic
from fastgru.types import Array

__all__ = ["cache_file", "download", "find", "load_data"]

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"

_SHAPES = {"x_train": (60000, 28, 28), "y_train": (60000,), "x_test": (10000, 28, 28), "y_test": (10000,)}
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 10.0
_BYTES_AT_ONCE = 1 << 16


class UnavailableError(OSError):
    """MNIST is not at hand and cannot be downloaded.

    Attributes
    ----------
    reason : str
        What stood in the way; the whole message adds where to put the file.
    """

    def __init__(self, target: Path, error: Exception) -> None:
        cause = getattr(error, "reason", error)  # urllib wraps what the system said
        self.reason = getattr(cause, "strerror", None) or str(cause)
        if folder := os.environ.get("FASTGRU_DATA"):
            self.reason += f"; FASTGRU_DATA={folder} holds no mnist.npz"
        super().__init__(
            f"MNIST cannot be downloaded ({self.reason}): put {URL} at {target}, "
            "or as mnist.npz into a folder that FASTGRU_DATA names."
        )


def load_data(path: str = "mnist.npz") -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """MNIST from Keras's cache, else from $FASTGRU_DATA/mnist.npz, else downloaded into the cache.

    Parameters
    ----------
    path : str
        File name in Keras's cache, ``$KERAS_HOME/datasets`` or ``~/.keras/datasets``.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x: (60000, 28, 28) and (10000, 28, 28) uint8, 0 to 255; y: (60000,) and (10000,) uint8, 0 to 9.

    Raises
    ------
    UnavailableError
        The file is not there and cannot be downloaded; says where to put it. An OSError.
    ValueError
        The file is damaged or not MNIST.
    """
    return _read(find(path) or download(path))


def find(path: str = "mnist.npz") -> Path | None:
    """Where MNIST is at hand without a download, or None."""
    candidates = [cache_file(path)]
    if text := os.environ.get("FASTGRU_DATA"):
        place = Path(text).expanduser()
        candidates += [place / "mnist.npz", place]
    return next((file for file in candidates if file.is_file()), None)


def cache_file(path: str = "mnist.npz") -> Path:
    """Where Keras keeps the file."""
    if Path(path).name != path:
        raise ValueError(f"mnist.load_data: path is a file name inside Keras's cache, without folders, got {path!r}.")
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets" / path


def download(path: str = "mnist.npz", seconds: float | None = None) -> Path:
    """Fetch Keras's published file into Keras's cache, with a progress bar on a terminal.

    Parameters
    ----------
    path : str
        File name in the cache.
    seconds : float, optional
        Give up when all of it takes longer than that.

    Returns
    -------
    Path of the file, which is complete: it gets its name after its sha256 was checked.
    """
    # deferred: these take longer to import than all the rest that reading the file needs
    from http.client import HTTPException

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    target = cache_file(path)
    deadline = time.monotonic() + (float("inf") if seconds is None else seconds)
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    data = bytearray()
    try:
        with _open(min(_CONNECT_SECONDS, deadline - time.monotonic())) as response, progress:
            task = progress.add_task("MNIST", total=int(response.headers.get("Content-Length") or 0) or None)
            # read1 returns with what one read of the socket brought, so the deadline is looked at in time
            while block := response.read1(_BYTES_AT_ONCE):
                data += block
                progress.advance(task, len(block))
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete after {seconds:g} s")
        digest = hashlib.sha256(data).hexdigest()
        if digest != SHA256:
            raise OSError(f"{len(data):,} bytes arrived with sha256 {digest[:12]}..., expected {SHA256[:12]}...")
        atomic.write(target, memoryview(data))
    except (OSError, HTTPException) as error:
        raise UnavailableError(target, error) from None
    return target


def _open(seconds: float) -> Any:
    """The opened download; TimeoutError after so many seconds, looking up the host's name included.

    The name is looked up by the operating system, which knows no timeout: it is left behind in a thread of its own.
    """
    import urllib.request

    result: list[Any] = []

    def connect() -> None:
        try:
            result.append(urllib.request.urlopen(URL, timeout=_READ_SECONDS))
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=connect, name="fastgru-mnist", daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        raise TimeoutError(f"no connection within {seconds:g} s")
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


def _read(file: Path) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _SHAPES}
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} is damaged or not Keras's MNIST file ({error}); delete or replace it.") from None
    for name, shape in _SHAPES.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.uint8:
            received = f"{arrays[name].shape} {arrays[name].dtype}"
            raise ValueError(f"{file} is not Keras's MNIST file: expected {name} {shape} uint8, got {received}.")
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def __dir__() -> list[str]:
    return __all__
