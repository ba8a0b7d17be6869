"""Builds the compiled kernels: one source, for each element type and each instruction set, and what Python calls of
them for each element type.

Everything else about the package is in pyproject.toml. FASTGRU_BUILD_ISA takes the instruction sets to build, as names
with commas between them, or "native": the widest of this machine alone, which is quicker while one works on kernels.
"""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("fastgru/kernels")
INCLUDE = Path("fastgru/include")  # headers for programs in C, see fastgru.get_include
GENERATED = Path("build/cython")

# Never -ffast-math: -fno-math-errno and -fno-trapping-math give vector code without touching NaN, infinities and
# denormals. Without -g0 the debug information that Python's own flags ask for takes a third of the time, and most of a
# wheel; profilers still find the functions by name.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-Wno-unused-function", "-g0"]

# What checks arrays, raises and returns takes a third less to compile than with -O2, and runs as fast.
CALL_FLAGS = ["-O1"]

# The instruction sets beside the platform's baseline; fastgru/kernels/__init__.py picks one at import.
ISAS = {"baseline": []}
# by the platform that is built for, which need not be the one that builds
if sysconfig.get_platform().endswith(("x86_64", "amd64")):
    ISAS["avx2"] = ["-mavx2", "-mfma"]
    ISAS["avx512"] = [
        "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512",
    ]  # fmt: skip
# what a compiler for this machine defines where it has them
ISA_MACROS = {
    "avx2": {"__AVX2__", "__FMA__"},
    "avx512": {"__AVX512F__", "__AVX512DQ__", "__AVX512BW__", "__AVX512VL__"},
}

REALS = {"float32": "float", "float64": "double"}


def native_isa():
    """The widest instruction set of this machine, as its compiler sees it."""
    compiler = os.environ.get("CC", sysconfig.get_config_var("CC") or "cc").split()
    command = [*compiler, "-march=native", "-dM", "-E", "-x", "c", os.devnull]
    macros = set(re.findall(r"#define (\w+)", subprocess.run(command, capture_output=True, text=True).stdout))
    return [isa for isa in ISAS if ISA_MACROS.get(isa, set()) <= macros][-1]


def chosen_isas():
    """FASTGRU_BUILD_ISA, else all there are."""
    text = os.environ.get("FASTGRU_BUILD_ISA")
    names = list(ISAS) if not text else [native_isa()] if text == "native" else text.split(",")
    unknown = set(names) - set(ISAS)
    if unknown:
        raise SystemExit(f"FASTGRU_BUILD_ISA: expected native or some of {', '.join(ISAS)}, got {text!r}.")
    return names


def headers(path):
    """The kernels' own headers and included sources that a file reads, and those that these read."""
    names = re.findall(r'^\s*#?\s*(?:include|cdef extern from) "([\w.]+)"', path.read_text(), re.MULTILINE)
    direct = {folder / name for folder in (KERNELS, INCLUDE) for name in names if (folder / name).exists()}
    return direct.union(*(headers(source) for source in direct))


def translated(name, **options):
    """The extension of a .pyx file, with its C source and what it depends on."""
    path = KERNELS / f"{name}.pyx"
    extension = Extension(f"fastgru.kernels.{name}", [str(path)], include_dirs=[str(KERNELS)], **options)
    extension.depends = [*map(str, headers(path))]
    return cythonize(extension, include_path=[str(KERNELS), "."], build_dir=str(GENERATED))[0]


def variant(extension, dtype, suffix="", flags=()):
    """An extension for one element type: one that is translated, compiled under a name of its own."""
    [c_file] = extension.sources
    name = Path(c_file).stem
    source = GENERATED / f"_{dtype}{suffix}.c"
    text = f'#define PyInit_{name} PyInit_{source.stem}\n#include "fastgru/kernels/{name}.c"\n'
    if not source.exists() or source.read_text() != text:
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
    return Extension(
        f"fastgru.kernels.{source.stem}",
        [str(source)],
        include_dirs=[str(KERNELS), str(INCLUDE), np.get_include()],
        define_macros=[
            ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("REAL_IS_" + REALS[dtype].upper(), None)
        ],
        extra_compile_args=[*FLAGS, *flags],
        depends=[c_file, *extension.depends],
    )  # fmt: skip


class BuildKernels(build_ext):
    """A compiler for each processor; and where it builds in place, nothing older stays of what it does not build."""

    def run(self):
        self.parallel = True
        if self.inplace:
            built = {extension.name.rpartition(".")[2] for extension in self.extensions}
            for path in KERNELS.glob("_float*.so"):
                if path.name.partition(".")[0] not in built:
                    path.unlink()
        super().run()


isas = chosen_isas()
all_flags = "; ".join([" ".join(FLAGS), *(f"{isa}: {' '.join(ISAS[isa])}" for isa in isas if ISAS[isa])])
runtime = translated(
    "_runtime",
    define_macros=[("BUILD_FLAGS", f'"{all_flags}"')],  # for `fastgru info`
    extra_compile_args=[*FLAGS, "-pthread"],
    extra_link_args=["-pthread"],
)
kernels, calls = translated("_kernels"), translated("_calls")

setup(
    ext_modules=[
        runtime,
        *(variant(kernels, dtype, f"_{isa}", ISAS[isa]) for dtype in REALS for isa in isas),
        *(variant(calls, dtype, flags=CALL_FLAGS) for dtype in REALS),
    ],
    cmdclass={"build_ext": BuildKernels},
)
