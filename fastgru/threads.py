"""How many threads compute, and BLAS kept to one thread while they do.

In which order numbers are added up never depends on the number of threads, which changes the time and not one bit of a
result.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["are_chosen", "available_cpus", "get_num_threads", "limited_to", "one_blas_thread", "set_num_threads"]

MAX_THREADS = 1024  # that a program may ask for
CGROUP = "/sys/fs/cgroup"
FORK_SECONDS = 1.0  # that a fork waits for

_count: int | None = None
_is_chosen = False
# reentrant, for a signal handler may compute in the middle of a change; who forks waits on it
_lock = threading.Condition(threading.RLock())
_holders = 0
_callers = 0  # holders that are in a single call of kernels or BLAS
_forking = False
_local = threading.local()  # .holders, .callers: how many of them are of the calling thread; .limit: its own count
_blas: Any = None
_restore: list[tuple[Any, int]] = []


def available_cpus(cgroup: str | os.PathLike[str] = CGROUP) -> int:
    """CPUs this process may use: its affinity, cut by the cgroup's quota."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        cpus = os.cpu_count() or 1
    quota = cgroup_quota(cgroup)
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def cgroup_quota(cgroup: str | os.PathLike[str] = CGROUP) -> float | None:
    """CPUs granted by cgroup v2 (cpu.max) or v1 (cpu.cfs_quota_us); None without a limit."""
    try:
        quota, period = _text(cgroup, "cpu.max").split()
    except (OSError, ValueError):
        try:
            quota = _text(cgroup, "cpu/cpu.cfs_quota_us").strip()
            period = _text(cgroup, "cpu/cpu.cfs_period_us").strip()
        except OSError:
            return None
    return None if quota in ("max", "-1") else int(quota) / int(period)


def _text(cgroup: str | os.PathLike[str], name: str) -> str:
    with open(os.path.join(cgroup, name), encoding="utf-8") as file:
        return file.read()


def get_num_threads() -> int:
    """Threads that kernels use: `set_num_threads`, else FASTGRU_NUM_THREADS, else the CPUs this process may use."""
    global _count
    limit: int | None = getattr(_local, "limit", None)
    if limit is not None:
        return limit
    if _count is None:
        text = os.environ.get("FASTGRU_NUM_THREADS")
        _count = available_cpus() if text is None else _checked(text, "FASTGRU_NUM_THREADS")
    return _count


def set_num_threads(count: int | None) -> None:
    """Set the number of threads (at least 1), or go back to the default with None."""
    global _count, _is_chosen
    _count, _is_chosen = None if count is None else _checked(count, "set_num_threads"), count is not None


def are_chosen() -> bool:
    """Whether `set_num_threads` or FASTGRU_NUM_THREADS say how many threads there are."""
    return _is_chosen or "FASTGRU_NUM_THREADS" in os.environ


@contextlib.contextmanager
def limited_to(count: int) -> Iterator[None]:
    """Inside, what this Python thread computes takes `count` threads, whatever is set for the process."""
    before, _local.limit = getattr(_local, "limit", None), _checked(count, "num_threads")
    try:
        yield
    finally:
        _local.limit = before


def _checked(value: Any, where: str) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError, OverflowError):
        count = 0
    if not 1 <= count <= MAX_THREADS or isinstance(value, bool) or count != float(value):
        raise ValueError(f"{where}: expected a whole number of threads from 1 to {MAX_THREADS}, got {value!r}.")
    return count


_nothing = contextlib.nullcontext()


def one_blas_thread(needed: bool = True, lasting: bool = False) -> contextlib.AbstractContextManager[None]:
    """BLAS on one thread inside (our blocks of rows are the threads), the process's own setting back afterwards.

    Nested and concurrent uses share one change: the first sets, the last restores. Nothing happens if it is not needed.
    A fork in another thread waits for the end of a use that is not `lasting`.
    """
    return _blas_limited(lasting) if needed else _nothing


@contextlib.contextmanager
def _blas_limited(lasting: bool) -> Iterator[None]:
    _hold(1, lasting)
    try:
        yield
    finally:
        _hold(-1, lasting)


def _hold(change: int, lasting: bool) -> None:
    """One holder more or less."""
    global _holders, _callers
    with _lock:
        _holders += change
        _local.holders = getattr(_local, "holders", 0) + change
        if not lasting:
            _callers += change
            _local.callers = getattr(_local, "callers", 0) + change
            if _forking:
                _lock.notify_all()
        if _holders == 0:
            _free_blas()
        elif _holders == change:
            _limit_blas()


def _free_blas() -> None:
    for library, threads in _restore:
        _set_blas_threads(library, threads)
    _restore.clear()


def _before_fork() -> None:
    """Wait until no other thread is in a call of BLAS, and let none begin one.

    A lock of BLAS's own that another thread held would be held in the child for ever. The wait has an end, in case that
    the other thread waits for this one.
    """
    global _forking
    _lock.acquire()
    _forking = True
    _lock.wait_for(lambda: _callers == getattr(_local, "callers", 0), FORK_SECONDS)
    _forking = False


def _forked() -> None:
    """A child has no thread but the one that forked it: a lock that another one held would be held for ever."""
    global _lock, _holders, _callers
    _lock = threading.Condition(threading.RLock())
    _holders, _callers = getattr(_local, "holders", 0), getattr(_local, "callers", 0)
    if _holders == 0:
        _free_blas()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=lambda: _lock.release(), after_in_child=_forked)


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
            _restore.append((library, threads))
            _set_blas_threads(library, 1)


def _set_blas_threads(library: Any, count: int) -> None:
    # threadpoolctl 3.8 heeds one thread of the process alone and silently ignores the others; here the first
    # user limits and the last one restores, whichever threads they are, and nobody else is locked out afterwards
    release = getattr(library, "clear_controlling_thread", None)
    if release:
        release(force=True)
    library.set_num_threads(count)
    if release:
        release(force=True)


def __dir__() -> list[str]:
    return __all__
