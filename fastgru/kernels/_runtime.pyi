"""What the compiled kernels stand on: the thread pool, bytes in memory, and which instruction sets this CPU has."""

from collections.abc import Callable
from typing import Any

def use_openmp(parallel: int, thread_num: int, num_threads: int) -> None:
    """Where GOMP_parallel, omp_get_thread_num and omp_get_num_threads stand in memory; all 0 for none."""

def on_openmp(run: Callable[[Any, int], None], call: Any, threads: int) -> None:
    """run(call, threads), whose kernels run on the threads of OpenMP where `use_openmp` has said of which."""

def address(memory: Any) -> int:
    """Where the bytes of a contiguous array begin."""

def same_bytes(one: Any, other: Any) -> bool:
    """Whether two contiguous arrays have the same bytes."""

def gather_rows(source: Any, indices: Any, out: Any, threads: int) -> None:
    """out[i] = source[indices[i]] for contiguous arrays of one type and rows of one shape; indices are int64.

    IndexError for a row that the source does not have, ValueError where shapes or the type of the indices do not fit.
    """

def compiler() -> str:
    """The compiler with its version, and its flags."""

def cpu_isas() -> list[str]:
    """The instruction sets that this CPU and operating system support, the plainest first."""
