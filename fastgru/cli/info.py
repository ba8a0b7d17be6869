"""Versions, instruction set, BLAS, threads."""

from __future__ import annotations

import argparse
import platform

import numpy as np

from fastgru import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(options: argparse.Namespace) -> None:
    import scipy

    from fastgru import config as settings
    from fastgru import kernels

    config = kernels.show_config()
    products = "tiles" if settings.multiplies_with_tiles() else "blas"
    rows = {
        "fastgru": __version__,
        "instruction set": f"{config['isa']} (available: {', '.join(config['available'])})",
        "products": f"{products} ({settings.get_products()})",
        "BLAS": ", ".join(config["blas"]) or "unknown to threadpoolctl",
        "threads": str(config["threads"]),
        "Python": f"{platform.python_version()} ({platform.system()} {platform.machine()})",
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    for name, value in rows.items():
        print(f"{name + ':':<17}{value}")
