"""No engine, but a service's model that knows the answer to each request: what the service takes without a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.engines import Caller, fastgru
from bench.network import Floats, Network


def versions() -> dict[str, str]:
    return {}


def predictors(network: Network, x: Floats, threads: int) -> dict[str, Callable[[], Caller]]:
    def make() -> Caller:
        outputs = next(iter(fastgru.predictors(network, x, threads).values()))()(x)
        known: dict[bytes, Any] = {row.tobytes(): output for row, output in zip(x, outputs, strict=True)}
        return lambda batch: np.stack([known[row.tobytes()] for row in batch])

    return {"a look into a dict": make}
