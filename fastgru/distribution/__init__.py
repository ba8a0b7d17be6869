"""Training on several processes, which MPI starts: see `DataParallel`.

Nothing here is loaded by ``import fastgru``, and mpi4py by `DataParallel` alone, where there is more than one process.
"""

from fastgru.distribution.data_parallel import DataParallel
from fastgru.distribution.data_parallel import say_apart as say_apart
from fastgru.distribution.data_parallel import started_ranks as started_ranks
from fastgru.distribution.ranks import Ranks as Ranks
from fastgru.distribution.ranks import current as current
from fastgru.distribution.ranks import first as first
from fastgru.distribution.ranks import is_first, rank, size

__all__ = ["DataParallel", "is_first", "rank", "size"]


def __dir__() -> list[str]:
    return __all__
