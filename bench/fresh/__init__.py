"""Programs of a few lines that start anew, open a model and predict, as a user's would.

Each is run as ``python -m bench.fresh.ENGINE MODEL X.npy Y.npy THREADS``; `save` writes their models, and `train` is
the same for training.
"""

from __future__ import annotations

import sys
from pathlib import Path

BATCH_SIZE = 32  # of peers that leave it to the caller: Keras's default, and small, because it is held in memory


def peak_memory() -> int:
    """Bytes that this process had in memory at most."""
    try:
        # not getrusage, which on Linux counts the process that this one was forked from
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
