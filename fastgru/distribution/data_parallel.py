"""The scope in which processes train together."""

from __future__ import annotations

import contextlib
import os
import sys
from types import TracebackType
from typing import Any

from fastgru import __version__, checks, random, threads
from fastgru.distribution import scope
from fastgru.distribution.ranks import Ranks
from fastgru.distribution.watch import TIMEOUT
from fastgru.text import notice

__all__ = ["DataParallel", "say_apart", "started_ranks"]

# how many processes there are, and which one this is: by Open MPI, and by MPICH, Intel MPI and Slurm's PMI-2
_COUNTS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
_NUMBERS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_is_said = False  # that they train apart


def started_ranks() -> int:
    """How many processes ``mpirun`` started this program as, 1 without it; MPI itself is not asked."""
    for name in _COUNTS:
        if (text := os.environ.get(name, "")).isdecimal():
            return int(text)
    # Slurm counts its tasks whatever they are, and numbers them so where it starts MPI
    return int(os.environ.get("SLURM_NTASKS", "1")) if "PMIX_RANK" in os.environ else 1


def say_apart(where: str) -> None:
    """Say once, on the first of several processes that ``mpirun`` started, that each of them does the whole alone."""
    global _is_said
    number = next((os.environ[name] for name in _NUMBERS if name in os.environ), "0")
    if _is_said or scope.current() is not None or number != "0" or started_ranks() == 1:
        return
    _is_said = True
    notice(
        f"{where}: mpirun started {started_ranks()} processes, and each of them trains alone, on all of the data; for "
        "one training that they share, put the program under `with fastgru.distribution.DataParallel():`."
    )


class DataParallel:
    """Inside, `fit`, `evaluate` and `predict` share the rows of every batch among the processes of ``mpirun``.

    Every process runs the same program. `batch_size` is that of the whole batch, of which each computes its rows; the
    gradients are added up once a step, and all processes update their weights alike, to what one process would have.
    Random weights, shuffling and dropout go on from the random state of the first process, whose weights all train.
    The first process alone prints, shows progress and writes files; so inside, ``sys.stdout`` of the others leads
    nowhere. An error on one of them ends all. Each has as many threads as it has processors for itself, unless
    ``FASTGRU_NUM_THREADS`` or `set_num_threads` say how many. See docs/scale.md.

    Parameters
    ----------
    timeout : float
        Seconds that a process waits for the others before it ends all, where one of them has caught an error of its own
        or calls something else; after a minute it says so.

    Without ``mpirun``, or with one process, nothing is different inside, and neither mpi4py nor MPI is needed.

    Raises
    ------
    ImportError
        There are several processes, and mpi4py is not installed.
    RuntimeError
        ``mpirun`` started several processes, and the MPI of mpi4py, which is another one, sees one.
    ValueError
        The processes run different versions of fastgru, or were seeded differently.

    Examples
    --------
    ``mpirun -n 4 python train.py``, where the program has::

        with fastgru.distribution.DataParallel():
            model = make_model()
            model.compile("adam", "sparse_categorical_crossentropy")
            model.fit(x, y, batch_size=256, epochs=10, resume="run")
            model.save("model.keras")   # the first process does
    """

    shows_traceback = True  # of an error that ends all

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = checks.positive(timeout, "DataParallel", "timeout")

    def __enter__(self) -> DataParallel:
        self._undo = contextlib.ExitStack()
        self._ranks: Ranks | None = None
        if scope.current() is None and started_ranks() > 1:
            self._ranks = ranks = Ranks(_mpi(started_ranks()), self._timeout)
            try:
                self._begin(ranks)
            except BaseException:
                self.__exit__(*sys.exc_info())
                raise
        return self

    def _begin(self, ranks: Ranks) -> None:
        undo = self._undo
        ranks.alike("DataParallel", {"versions of fastgru": __version__, "seeds": random.stream_seed()})
        ranks.align(random.stream())
        count = ranks.threads()
        if not threads.are_chosen():
            threads.set_num_threads(count)
            undo.callback(threads.set_num_threads, None)
        undo.callback(scope.enter, scope.enter(ranks))
        if ranks.rank:
            silence = undo.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - the stack closes it
            undo.enter_context(contextlib.redirect_stdout(silence))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ranks = self._ranks
        is_clean = isinstance(error, SystemExit) and not error.code
        if ranks is not None and kind is not None and error is not None and not is_clean:
            _end_all(ranks, kind, error, trace if self.shows_traceback else None)
        self._undo.close()
        if ranks is not None:
            ranks.wait()


def _mpi(expected: int) -> Any:
    """``mpi4py.MPI``, which starts MPI."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            f"DataParallel: mpirun started {expected} processes, which need mpi4py to train together "
            f"({error}); install it: pip install 'fastgru[mpi]'."
        ) from error
    if MPI.COMM_WORLD.size == 1:
        raise RuntimeError(
            f"DataParallel: mpirun started {expected} processes, but mpi4py sees one: it is built for another MPI "
            f"({MPI.Get_library_version().splitlines()[0]}); take the mpirun of that one, or install mpi4py for this."
        )
    return MPI


def _end_all(ranks: Ranks, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say what ended this process, and end the others with it, which would wait for it forever."""
    sys.stdout.flush()
    if trace is not None and not isinstance(error, (SystemExit, KeyboardInterrupt)):
        import traceback  # deferred: where all is well nobody needs it

        traceback.print_exception(kind, error, trace)
    code = error.code if isinstance(error, SystemExit) else 130 if isinstance(error, KeyboardInterrupt) else 1
    name = "Ctrl-C" if isinstance(error, KeyboardInterrupt) else kind.__name__
    words = f"{name}: {error}".rstrip(".: ")
    print(
        f"fastgru: rank {ranks.rank} of {ranks.size} ended with {words}; all ranks end with it. Where fit saves as it "
        "goes (resume=...), the same command goes on from the last checkpoint.",
        file=sys.stderr,
        flush=True,
    )
    ranks.abort(code if isinstance(code, int) else 1)
