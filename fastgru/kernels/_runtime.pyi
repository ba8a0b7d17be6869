"""What the compiled kernels stand on: the thread pool, bytes in memory, and which instruction sets this CPU has."""

from typing import Any

def address(memory: Any) -> int:
    """Where the bytes of a contiguous array begin."""

def take_rows(source: Any, chosen: Any, out: Any, threads: int) -> None:
    """out[i] = source[chosen[i]] for contiguous arrays of one type and rows of one shape.

    IndexError for a row that is not there.
    """

def cpu_isas() -> list[str]:
    """The instruction sets that this CPU and operating system support, the plainest first."""
