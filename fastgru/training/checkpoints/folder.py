"""The folder of a run: the latest checkpoint and the one before it, each a file that is whole or was not written."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from fastgru import atomic
from fastgru.callbacks.backup_and_restore import LATEST, PREVIOUS
from fastgru.text import notice
from fastgru.types import Array

if sys.platform != "win32":
    import fcntl

__all__ = ["Checkpoint", "Folder"]

LOCK = ".lock"
FORM = "fastgru run 1"
# what numpy and zipfile raise for bytes that they cannot read
DAMAGES = (ValueError, KeyError, EOFError, OSError, NotImplementedError, zipfile.BadZipFile, zlib.error)

Checkpoint = tuple[Any, Sequence[Array]]  # what `packing.packed` made: a tree for JSON, and its arrays


class Folder:
    """Where the checkpoints of one run lie.

    A checkpoint is an `.npz` file: its arrays by number, and a text under ``run``. A zip file has a checksum for each
    of its members, which is compared on reading.

    Parameters
    ----------
    path : str or path
        Made where it is absent.
    with_previous : bool
        Keep the checkpoint before the latest.

    Raises
    ------
    OSError
        The folder cannot be made or written to.
    """

    def __init__(self, path: str | os.PathLike[str], with_previous: bool = True) -> None:
        self.path = Path(path)
        self.with_previous = with_previous
        self._lock: IO[str] | None = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            refusal = f"The folder for checkpoints cannot be made ({error.strerror}); give another"
            raise OSError(error.errno, refusal, str(self.path)) from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, "The folder for checkpoints cannot be written to; give another", str(self.path))

    def lock(self) -> None:
        """Keep others out until `unlock` or the end of the process, however it ends; a ValueError where one is in."""
        if sys.platform == "win32":
            return
        self._lock = (self.path / LOCK).open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.unlock()
            raise ValueError(
                f"fit: another training saves in {str(self.path)!r} now; wait for its end, or give another folder."
            ) from None
        except OSError:  # of a file system without locks
            pass

    def unlock(self) -> None:
        """Let others in."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def write(self, checkpoint: Checkpoint) -> None:
        """Make this the latest checkpoint; an OSError leaves the one that was."""
        tree, arrays = checkpoint
        buffer = io.BytesIO()
        text = np.frombuffer(json.dumps([FORM, tree]).encode(), np.uint8)
        members: dict[str, Any] = {str(index): array for index, array in enumerate(arrays)}
        np.savez(buffer, run=text, **members)
        latest = self.path / LATEST
        self.path.mkdir(parents=True, exist_ok=True)
        if self.with_previous and latest.exists():
            latest.replace(self.path / PREVIOUS)  # killed here, the run goes on from there
        atomic.write(latest, buffer.getbuffer())

    def read(self) -> Checkpoint | None:
        """The latest checkpoint that is whole; None where the folder has none.

        Warns where that is not the latest that was written.

        Raises
        ------
        ValueError
            All that the folder has are damaged.
        """
        damaged = []
        for name in (LATEST, PREVIOUS):
            path = self.path / name
            if path.exists():
                try:
                    checkpoint = _read(path)
                except (
                    ValueError,
                    KeyError,
                    EOFError,
                    OSError,
                    NotImplementedError,
                    zipfile.BadZipFile,
                    zlib.error,
                ) as error:
                    damaged.append(f"{path} is damaged ({str(error).rstrip('.')})")
                else:
                    if damaged:
                        notice(f"{damaged[0]}; going on from the checkpoint before it.")
                    return checkpoint
        if damaged:
            raise ValueError(f"{' and '.join(damaged)}; give another folder, or remove this one to begin anew.")
        return None

    def remove(self) -> None:
        """Remove the checkpoints, and the folder where nothing else is in it."""
        for name in (LATEST, PREVIOUS, LOCK):
            (self.path / name).unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()


def _read(path: Path) -> Checkpoint:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        members = {name: file[name] for name in file.files}
    form, tree = json.loads(members.pop("run").tobytes())
    if form != FORM:
        raise ValueError(f"expected the checkpoint of a run, got {form!r}")
    return tree, [members[str(index)] for index in range(len(members))]
