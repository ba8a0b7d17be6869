"""How many threads compute, and BLAS kept to one thread while they do.

Work is cut by the batch alone, never by the number of threads, so the number changes the time and not one bit of the
result.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_count: int | None = None
_lock = threading.Lock()
_holders = 0
_blas: Any = None
_restore: list[tuple[Any, int]] = []


def available_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """CPUs this process may use: its affinity, cut by the cgroup's quota."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        cpus = os.cpu_count() or 1
    return max(1, min(cpus, _cgroup_quota(cgroup)))


def _cgroup_quota(cgroup: Path) -> int:
    """CPUs granted by cgroup v2 (cpu.max) or v1 (cpu.cfs_quota_us), rounded up; a large number without a limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return 1 << 30
    return 1 << 30 if quota in ("max", "-1") else math.ceil(int(quota) / int(period))


def get_num_threads() -> int:
    """Threads that kernels use: `set_num_threads`, else FASTGRU_NUM_THREADS, else the CPUs this process may use."""
    global _count
    if _count is None:
        text = os.environ.get("FASTGRU_NUM_THREADS")
        _count = available_cpus() if text is None else _checked(text, "FASTGRU_NUM_THREADS")
    return _count


def set_num_threads(count: int | None) -> None:
    """Set the number of threads (at least 1), or go back to the default with None."""
    global _count
    _count = None if count is None else _checked(count, "set_num_threads")


def _checked(value: Any, where: str) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = 0
    if count < 1 or count != float(value):
        raise ValueError(f"{where}: expected a whole number of threads of at least 1, got {value!r}.")
    return count


_nothing = contextlib.nullcontext()


def one_blas_thread(needed: bool = True) -> contextlib.AbstractContextManager[None]:
    """BLAS on one thread inside (our shards are the threads), the process's own setting back afterwards.

    Nested and concurrent uses share one change: the first sets, the last restores. Nothing happens if it is not needed.
    """
    return _blas_limited() if needed else _nothing


@contextlib.contextmanager
def _blas_limited() -> Iterator[None]:
    global _holders
    with _lock:
        if _holders == 0:
            _limit_blas()
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                for library, threads in _restore:
                    _set_blas_threads(library, threads)
                _restore.clear()


def _limit_blas() -> None:
    global _blas
    if _blas is None:
        # deferred: looking through the process's libraries takes milliseconds, and `import fastgru` should not
        import scipy.linalg.cython_blas  # noqa: F401
        from threadpoolctl import ThreadpoolController

        _blas = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    for library in _blas:
        threads = library.get_num_threads()
        if threads is not None and threads > 1:
            _set_blas_threads(library, 1)
            _restore.append((library, threads))


def _set_blas_threads(library: Any, count: int) -> None:
    # threadpoolctl 3.8 heeds one thread of the process alone and silently ignores the others; here the first
    # user limits and the last one restores, whichever threads they are, and nobody else is locked out afterwards
    release = getattr(library, "clear_controlling_thread", None)
    if release:
        release(force=True)
    library.set_num_threads(count)
    if release:
        release(force=True)
