"""scipy's BLAS: no engine that races, but the measure of how fast this machine multiplies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from scipy.linalg import blas
from threadpoolctl import threadpool_info


def versions() -> dict[str, str]:
    libraries = [f"{lib['internal_api']} {lib['version']}" for lib in threadpool_info() if lib["user_api"] == "blas"]
    return {"scipy": scipy.__version__, "blas": ", ".join(sorted(set(libraries)))}


def product(size: int) -> Callable[[], object]:
    """C = A B of size x size in float32, into memory that is there already."""
    rng = np.random.default_rng(0)
    a, b = (np.asfortranarray(rng.random((size, size), dtype=np.float32)) for _operand in range(2))
    c = np.zeros((size, size), np.float32, order="F")
    return lambda: blas.sgemm(1.0, a, b, c=c, overwrite_c=1)
