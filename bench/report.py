"""Turns outcomes into tables and a JSON file."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench import ROOT
from bench.engines import title
from bench.outcome import OWN, Outcome, Result, amount, counted, duration, times
from bench.process import removed

# variables with these beginnings change how fast engines and their BLAS run
_STEERING = (
    "BLIS_",
    "FASTGRU_",
    "JAX_",
    "KMP_",
    "MALLOC_",
    "MKL_",
    "OMP_",
    "OPENBLAS_",
    "ORT_",
    "OV_",
    "TORCH",
    "XLA_",
)
_MANY = 5  # of the tasks of a job with more than these the worst for fastgru are shown
_TAIL = ("p99", "p99.9", "max")  # of a result's check, where its job asks for them
COLUMNS = ("task", "engine", "way", "median", "min to max", "ratio", "of sgemm", "accuracy", *_TAIL)


def rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """One row of `COLUMNS` for each engine and variant; of many tasks the best variants, at the five worst for fastgru
    where it has peers."""
    many = len(outcome.tasks) > _MANY
    cells: list[tuple[str, ...]] = []
    for task in (outcome.closest(_MANY) if many else []) or outcome.tasks:
        for result in outcome.results:
            if result.task == task and (not many or result is outcome.best(task, result.engine)):
                ratio, share = outcome.ratio(result), outcome.sgemm_share(result)
                cells.append(
                    (
                        task,
                        title(result.engine),
                        result.variant,
                        amount(result.median, outcome.unit),
                        _spread(result, outcome.unit),
                        times(ratio) if ratio else "-",
                        f"{share:.0%}" if share else "-",
                        f"{result.check['accuracy']:.2%}" if "accuracy" in result.check else "-",
                        *(duration(result.check[name]) if name in result.check else "-" for name in _TAIL),
                    )
                )
    return cells


def lines(outcome: Outcome) -> Iterator[str]:
    """What the table does not say."""
    if len(outcome.tasks) > _MANY and outcome.closest(1):
        yield f"above: the {_MANY} sizes at which a peer comes closest; over all sizes, times of fastgru's time:"
        for engine in outcome.engines:
            ratios = outcome.ratios(engine)
            if engine != OWN and ratios:
                worst, middle, best = min(ratios.values()), statistics.median(ratios.values()), max(ratios.values())
                ahead = sum(ratio < 1 for ratio in ratios.values())
                yield (
                    f"{title(engine)}: {times(worst)} to {times(best)}, median {times(middle)}, "
                    f"ahead at {ahead} of {len(ratios)} sizes"
                )
    if rates := [rate / 1e9 for rounds in outcome.sgemm.values() for rate in rounds]:
        yield f"sgemm: {statistics.median(rates):.0f} GFLOP/s, {min(rates):.0f} to {max(rates):.0f}"
    if work := outcome.work.get(""):
        yield f"products of a run: {work / 1e9:.4g} GFLOP, {counted(outcome.samples[''], 'sample')}"
    before, after = (_largest(differences) for differences in (outcome.differences, outcome.differences_trained))
    if before is not None:
        updates = f", after updates within {after:.1g}" if after is not None else ""
        sizes = " at every size" if len(outcome.differences) > 1 else ""
        yield f"numbers of all engines: equal within {before:.1g}{updates}{sizes}"
    yield from outcome.notes


def _largest(differences: dict[str, dict[str, float]]) -> float | None:
    return max((most for engines in differences.values() for most in engines.values()), default=None)


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
        "removed_for_engines": removed(),
    }


def write_json(path: Path, outcomes: Sequence[Outcome], where: dict[str, Any]) -> None:
    """Everything that was measured, each run on its own."""

    def figures(outcome: Outcome, result: Result) -> dict[str, Any]:
        fields = asdict(result)
        fields["way"] = fields.pop("variant")
        return fields | {
            "median": result.median,
            "ratio": outcome.ratio(result),
            "share_of_sgemm": outcome.sgemm_share(result),
        }

    content = where | {
        "jobs": {
            outcome.job: asdict(outcome) | {"results": [figures(outcome, result) for result in outcome.results]}
            for outcome in outcomes
        }
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def _spread(result: Result, unit: str) -> str:
    """From the least to the most; a unit that they share is written once."""
    least, most = (amount(value, unit).split() for value in (min(result.values), max(result.values)))
    return f"{least[0] if least[1] == most[1] else ' '.join(least)} to {' '.join(most)}"


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
