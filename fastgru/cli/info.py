"""What a bug report needs: versions, processor, instruction set, compiler, BLAS, threads, settings."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from fastgru import __version__, threads

EXAMPLE = "fastgru info --json"
REQUIRED = ("numpy", "scipy", "h5py", "rich", "threadpoolctl")
OPTIONAL = (
    "matplotlib", "pandas", "pyarrow", "keras", "tensorflow", "jax", "torch", "starlette", "uvicorn", "websockets"
)  # fmt: skip
# what these begin with says how many threads BLAS takes, and which of its kernels
SETTINGS = ("FASTGRU_", "OPENBLAS_", "OMP_", "MKL_", "GOTO_", "VECLIB_", "BLIS_", "KERAS_BACKEND")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")


def run(options: argparse.Namespace) -> None:
    facts = _facts()
    if options.json:
        print(json.dumps(facts, indent=1))
        return
    for name, fact in facts.items():
        if isinstance(fact, dict):
            fact = ", ".join(f"{key} {value}" for key, value in fact.items()) or "none"
        print(f"{name + ':':<19}{', '.join(fact) if isinstance(fact, list) else fact}")


def _facts() -> dict[str, Any]:
    from fastgru import config as settings
    from fastgru import kernels

    config = kernels.show_config()
    products = "tiles" if settings.multiplies_with_tiles() else "blas"
    quota = threads.cgroup_quota()
    return {
        "fastgru": __version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})",
        "system": platform.platform(),
        "processor": _processor(),
        "CPUs": f"{os.cpu_count()}, of which this process may use {threads.available_cpus()}",
        "cgroup quota": "none" if quota is None else f"{quota} CPUs",
        "instruction set": f"{config['isa']} (available: {', '.join(config['available'])})",
        "compiled by": kernels.COMPILER,
        "products": f"{products} ({settings.get_products()})",
        "BLAS": config["blas"] or "unknown to threadpoolctl",
        "threads": config["threads"],
        "packages": _versions(REQUIRED),
        "optional packages": _versions(OPTIONAL),
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith(SETTINGS)},
    }


def _processor() -> str:
    """The name of its model."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "CPU part"))]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Those that are installed; none is imported for it."""
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            if package in REQUIRED:
                versions[package] = "missing"
    return versions
