"""Builds the compiled kernels: one source, for each element type and each instruction set.

Everything else about the package is in pyproject.toml.
"""

import platform
import sys
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = Path("fastgru/kernels")
GENERATED = Path("build/generated")

# Never -ffast-math: these two give vector code without touching NaN, infinities and denormals.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-Wno-unused-function"]

# The instruction sets beside the platform's baseline; fastgru/kernels/__init__.py picks one at import.
ISAS = {"baseline": []}
if platform.machine().lower() in ("x86_64", "amd64") and sys.maxsize > 2**32:
    ISAS["avx2"] = ["-mavx2", "-mfma"]
    ISAS["avx512"] = [
        "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512",
    ]  # fmt: skip

REALS = {"float32": "float", "float64": "double"}

# Cython names the init function of a module after it, so each variant needs a file of its own.
VARIANT = """\
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
ctypedef {real} real
include "kernels.pxi"
"""


def variant(dtype, isa):
    """The extension for one element type and one instruction set."""
    real = REALS[dtype]
    source = GENERATED / f"_{dtype}_{isa}.pyx"
    text = VARIANT.format(real=real)
    if not source.exists() or source.read_text() != text:
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
    return Extension(
        f"fastgru.kernels.{source.stem}",
        [str(source)],
        include_dirs=[str(KERNELS), np.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("REAL_IS_" + real.upper(), None)],
        extra_compile_args=FLAGS + ISAS[isa],
        depends=[str(path) for suffix in ("*.pxi", "*.pxd", "*.h") for path in KERNELS.glob(suffix)],
    )


runtime = Extension(
    "fastgru.kernels._runtime",
    [str(KERNELS / "_runtime.pyx")],
    include_dirs=[str(KERNELS)],
    depends=[str(KERNELS / "pool.h")],
    extra_compile_args=[*FLAGS, "-pthread"],
    extra_link_args=["-pthread"],
)

setup(
    ext_modules=cythonize(
        [runtime, *(variant(dtype, isa) for dtype in REALS for isa in ISAS)],
        include_path=[str(KERNELS), "."],
        build_dir="build/cython",
    ),
    options={"build_ext": {"parallel": True}},  # a compiler for each processor
)
