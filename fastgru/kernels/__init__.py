"""The compiled kernels, built once per element type and instruction set; this module picks the one that runs."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from fastgru.moved import attributes
from fastgru.naming import suggestion

if TYPE_CHECKING:
    from fastgru.kernels._compiled import Kernels

__all__ = ["COMPILER", "DTYPES", "EPSILON", "available", "contiguous", "get_include", "isa", "module", "show_config"]

try:
    from fastgru.kernels import _runtime
except ImportError:
    raise ImportError(
        "fastgru's kernels are not compiled here: install the package (pip install .), and where the checkout's source "
        "folder hides the installed package, start Python elsewhere or install with pip install -e ."
    ) from None


def available() -> list[str]:
    """The instruction sets this build has and this CPU can run, the plainest first."""
    return [isa for isa in _runtime.cpu_isas() if importlib.util.find_spec(f"fastgru.kernels._float32_{isa}")]


def _choose() -> str:
    """FASTGRU_ISA, else the widest instruction set there is."""
    choices = available()
    name = os.environ.get("FASTGRU_ISA")
    if name is None:
        return choices[-1]
    if name not in choices:
        raise ValueError(f"FASTGRU_ISA: {name!r} is not available on this machine; {suggestion(name, choices)}")
    return name


Array = npt.NDArray[Any]

#: the element types that the kernels are built for
DTYPES = ("float32", "float64")
#: what Keras adds, or clips to, where it would divide by 0 or take its logarithm
EPSILON = 1e-7
#: the compiler of the kernels, and its flags for each instruction set
COMPILER: str = _runtime.compiler()
address, gather_rows = _runtime.address, _runtime.gather_rows
on_openmp, same_bytes, use_openmp = _runtime.on_openmp, _runtime.same_bytes, _runtime.use_openmp
isa: str = _choose()
_modules: dict[Any, Kernels] = {}


def module(dtype: Any) -> Kernels:
    """The compiled module for "float32" or "float64", as a name or a numpy dtype, whose name numpy is slow to tell."""
    compiled = _modules.get(dtype)
    if compiled is None:
        compiled = _modules[dtype] = cast("Kernels", importlib.import_module(f"fastgru.kernels._{dtype}"))
    return compiled


def use(name: str) -> None:
    """Compute with this instruction set from here on. What was packed for the one before, as layers that have run keep
    it, must not be used any more: it is for tests, which make their layers after it."""
    global isa
    isa = name
    for compiled in _modules.values():
        compiled.use(name)


def activation_id(name: str) -> int | None:
    """The number of an activation in calls of the kernels; None for one that they do not compute."""
    return module("float32").activation_ids.get(name)


def contiguous(x: Any, dtype: Any = None) -> Array:
    """`x` as the kernels read it: its numbers one after the other, each where the processor wants it."""
    array = np.ascontiguousarray(x, dtype)
    return array if array.flags.aligned else array.copy()


def get_include() -> str:
    """The folder of the headers for programs in C: fastgru_stream.h, which steps a model (`streaming.stepper`)."""
    return os.path.join(os.path.dirname(os.path.dirname(__file__)), "include")


def show_config() -> dict[str, Any]:
    """What computes here: instruction set in use and available, BLAS libraries and the number of threads."""
    import scipy.linalg.cython_blas  # noqa: F401  loads the BLAS that the kernels call
    from threadpoolctl import threadpool_info

    from fastgru import threads

    blas = [f"{lib['internal_api']} {lib['version']}" for lib in threadpool_info() if lib["user_api"] == "blas"]
    return {"isa": isa, "available": available(), "blas": sorted(set(blas)), "threads": threads.get_num_threads()}


if not TYPE_CHECKING:  # which would take every name for one of this module
    __getattr__ = attributes(__name__)


def __dir__() -> list[str]:
    return __all__
