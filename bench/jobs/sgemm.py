"""One large product, beside every race: the rate that the others are measured by."""

from __future__ import annotations

from typing import Any

from bench.network import Arrays
from bench.variants import Variant

_SIZE = 3072


def work() -> float:
    """Floating-point operations in one run."""
    return 2.0 * _SIZE**3


def prepare(engine: Any, arrays: Arrays, threads: int) -> dict[str, Variant]:
    product = engine.product(_SIZE)
    return {"sgemm": Variant(lambda: (), product, product, dict)}
