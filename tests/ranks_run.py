"""Programs as several processes of Open MPI's ``mpirun``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent  # outside of the checkout, whose package need not be compiled
SECONDS = 120  # after which a run hangs
# more processes than processors, as root, and no message of its own where another network is missing
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_btl_base_warn_component_unused": "0",
}


def need_mpi() -> None:
    """Skip the module where there is no mpirun or no mpi4py."""
    if shutil.which("mpirun") is None:
        pytest.skip("mpirun is not installed (Open MPI: openmpi-bin)", allow_module_level=True)
    pytest.importorskip("mpi4py", reason="the extra [mpi] is not installed")


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, **OPEN_MPI, "FASTGRU_NUM_THREADS": "1", **variables}


def command(count: int, *words: str | Path) -> list[str]:
    """A Python program as so many processes; without mpirun where there is one."""
    starter = ["mpirun", "-n", str(count)] if count > 1 else []
    return [*starter, sys.executable, *map(str, words)]


def run(count: int, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    options = {"env": environment(), "cwd": HERE, "timeout": SECONDS, "capture_output": True, "text": True, **options}
    return subprocess.run(command(count, *words), check=False, **options)
