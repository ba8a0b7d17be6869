"""One large product, beside every race: the rate that the others are measured by."""

from __future__ import annotations

from typing import Any

from bench.network import Arrays
from bench.ways import Way

_SIZE = 3072


def work() -> float:
    """Floating-point operations in one turn."""
    return 2.0 * _SIZE**3


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Way]:
    turn = engine.product(_SIZE)
    return {"sgemm": Way(lambda: (), turn, turn, dict)}
