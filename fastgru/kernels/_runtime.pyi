"""What the compiled kernels stand on: the thread pool, and which instruction sets this CPU has."""

from typing import Any

def address(memory: Any) -> int:
    """Where the bytes of a contiguous array begin."""

def cpu_isas() -> list[str]:
    """The instruction sets that this CPU and operating system support, the plainest first."""
