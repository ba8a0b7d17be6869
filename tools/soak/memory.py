"""The memory of a process."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["resident"]


def resident(process: int | None = None) -> int:
    """The bytes of memory that a process (this one) holds, as Linux counts them."""
    status = Path("/proc", str(process or os.getpid()), "statm").read_text(encoding="ascii")
    return int(status.split()[1]) * os.sysconf("SC_PAGESIZE")
