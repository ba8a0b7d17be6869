"""Writes that happen whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path


def write(path: Path, data: bytes | memoryview) -> None:
    """Replace the file `path` by `data`: whoever looks sees the old file or the new one, also after a crash.

    The bytes go to a temporary file in the same folder first, which is removed if anything fails.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".fastgru-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # the file is in place; not every system can also sync its folder
        _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder last through a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
