"""Training on several processes, which MPI starts: see `DataParallel`.

Nothing here is loaded by ``import fastgru``, and mpi4py by `DataParallel` alone, where there is more than one process.
Which processes are in force is always asked; what joins them is loaded when it is first used.
"""

from typing import TYPE_CHECKING, Any

from fastgru.distribution.scope import current as current
from fastgru.distribution.scope import first as first
from fastgru.distribution.scope import is_first, rank, size

if TYPE_CHECKING:
    from fastgru.distribution.data_parallel import DataParallel as DataParallel
    from fastgru.distribution.data_parallel import say_apart as say_apart
    from fastgru.distribution.data_parallel import started_ranks as started_ranks
    from fastgru.distribution.ranks import Ranks as Ranks

__all__ = ["DataParallel", "is_first", "rank", "size"]


def __getattr__(name: str) -> Any:
    if name not in ("DataParallel", "say_apart", "started_ranks"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fastgru.distribution import data_parallel

    return getattr(data_parallel, name)


def __dir__() -> list[str]:
    return __all__
