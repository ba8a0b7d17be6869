"""Turns results into a table, a JSON file and the README's table."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench import ROOT, engines
from bench.race import Result

# variables with these beginnings change how fast engines and their BLAS run
_STEERING = ("BLIS_", "FASTGRU_ISA", "FASTGRU_NUM_THREADS", "JAX_", "MKL_", "OMP_", "OPENBLAS_", "XLA_")
_BEGIN, _END = "<!-- bench:begin -->", "<!-- bench:end -->"
COLUMNS = ("engine", "median", "min to max", "samples/s", "time ratio", "accuracy")


def rows(results: Sequence[Result], samples: int) -> list[tuple[str, ...]]:
    """One row of `COLUMNS` for each engine."""
    medians = {result.engine: statistics.median(result.seconds) for result in results}
    table: list[tuple[str, ...]] = []
    for result in results:
        median = medians[result.engine]
        own = medians.get("fastgru")
        version = next(iter(result.versions.values()))
        table.append(
            (
                f"{engines.ENGINES[result.engine].title} {version}",
                f"{median:.2f} s",
                f"{min(result.seconds):.2f} to {max(result.seconds):.2f}",
                f"{samples / median:,.0f}",
                f"{median / own:.2f}" if own else "-",
                f"{result.check['accuracy']:.2%}",
            )
        )
    return table


def machine(threads: int) -> dict[str, Any]:
    """Where and when this was measured."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith(_STEERING)},
    }


def write_json(path: Path, job: str, results: Sequence[Result], samples: int, where: dict[str, Any]) -> None:
    """Everything that was measured, each turn on its own."""
    content = where | {"job": job, "samples": samples, "results": [asdict(result) for result in results]}
    path.write_text(json.dumps(content, indent=2) + "\n")


def write_readme(path: Path, table: Sequence[Sequence[str]], title: str, where: dict[str, Any], rounds: int) -> None:
    """Put the table between the two markers of a Markdown file."""
    text = path.read_text()
    if _BEGIN not in text or _END not in text:
        raise ValueError(f"{path} has no markers {_BEGIN} and {_END} to put the table between.")
    lines = [
        f"{title}. {where['cpu']}, {where['threads']} threads, Python {where['python']}; median of {rounds} rounds in",
        f"turn, {where['date'][:10]}. Measured with `python -m bench train`.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" + "|--:" * (len(COLUMNS) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in table),
    ]
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    path.write_text(before + _BEGIN + "\n" + "\n".join(lines) + "\n" + _END + after)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str | None:
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
