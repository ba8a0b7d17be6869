"""One pool of threads: kernels that PyTorch's programs call run on the OpenMP threads that PyTorch computes with."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch

from fastgru import kernels

__all__ = ["IS_SHARED"]

NAMES = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


def _share() -> bool:
    """Tell the kernels where PyTorch's OpenMP is; whether there is one."""
    if not torch.backends.openmp.is_available():
        return False
    # in the order in which PyTorch's own calls are bound: what the whole process sees, then what its library links
    for library in (None, *Path(torch.__file__).parent.glob("lib/libtorch_cpu.*")):
        try:
            functions = [getattr(ctypes.CDLL(library and str(library)), name) for name in NAMES]
        except (AttributeError, OSError):  # a runtime without GNU's entry points
            continue
        kernels.use_openmp(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions))
        return True
    return False


#: whether it runs there; else on fastgru's own pool
IS_SHARED = _share()
