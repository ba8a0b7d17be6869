"""Turns outcomes into tables, a JSON file and the README's table."""

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
from bench.outcome import OWN, Outcome, Result, amount
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
_BEGIN, _END = "<!-- bench:begin -->", "<!-- bench:end -->"
_MANY = 5  # of the tasks of a job with more than these the worst for fastgru are shown
COLUMNS = ("task", "engine", "way", "median", "min to max", "ratio", "of sgemm", "accuracy")


def rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """One row of `COLUMNS` for each engine and way; of many tasks the five worst for fastgru, and the best ways."""
    many = len(outcome.tasks) > _MANY
    found: list[tuple[str, ...]] = []
    for task in outcome.closest(_MANY) if many else outcome.tasks:
        for result in outcome.results:
            if result.task == task and (not many or result is outcome.best(task, result.engine)):
                ratio, share = outcome.ratio(result), outcome.share(result)
                found.append(
                    (
                        task,
                        title(result.engine),
                        result.way,
                        amount(result.median, outcome.unit),
                        _spread(result, outcome.unit),
                        f"{ratio:.2f}" if ratio else "-",
                        f"{share:.0%}" if share else "-",
                        f"{result.check['accuracy']:.2%}" if "accuracy" in result.check else "-",
                    )
                )
    return found


def lines(outcome: Outcome) -> Iterator[str]:
    """What the table does not say."""
    if len(outcome.tasks) > _MANY:
        yield f"above: the {_MANY} sizes at which a peer comes closest; over all sizes, times of fastgru's time:"
        for engine in outcome.engines:
            ratios = outcome.ratios(engine)
            if engine != OWN and ratios:
                worst, middle, best = min(ratios.values()), statistics.median(ratios.values()), max(ratios.values())
                ahead = sum(ratio < 1 for ratio in ratios.values())
                yield (
                    f"{title(engine)}: {worst:.2f} to {best:.1f}, median {middle:.2f}, "
                    f"ahead at {ahead} of {len(ratios)} sizes"
                )
    if rates := [rate / 1e9 for found in outcome.sgemm.values() for rate in found]:
        yield f"sgemm: {statistics.median(rates):.0f} GFLOP/s, {min(rates):.0f} to {max(rates):.0f}"
    if work := outcome.work.get(""):
        yield f"products of a turn: {work / 1e9:.4g} GFLOP, {outcome.samples['']:,} samples"
    for task, differences in outcome.differences.items():
        if differences and len(outcome.differences) == 1:
            yield f"{task or 'numbers of all engines'}: equal within {max(differences.values()):.1g}"
    if len(outcome.differences) > 1:
        largest = max(max(found.values(), default=0.0) for found in outcome.differences.values())
        yield f"numbers of all engines: equal within {largest:.1g} at every size"
    yield from outcome.notes


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
    """Everything that was measured, each turn on its own."""

    def figures(outcome: Outcome, result: Result) -> dict[str, Any]:
        return asdict(result) | {
            "median": result.median,
            "ratio": outcome.ratio(result),
            "share_of_sgemm": outcome.share(result),
        }

    content = where | {
        "jobs": {
            outcome.job: asdict(outcome) | {"results": [figures(outcome, result) for result in outcome.results]}
            for outcome in outcomes
        }
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def write_readme(path: Path, outcomes: Sequence[Outcome], where: dict[str, Any]) -> None:
    """Put one table of all jobs between the two markers of a Markdown file."""
    text = path.read_text()
    if _BEGIN not in text or _END not in text:
        raise ValueError(f"{path} has no markers {_BEGIN} and {_END} to put the table between.")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    path.write_text(before + _BEGIN + "\n" + "\n".join(readme_lines(outcomes, where)) + "\n" + _END + after)


def readme_lines(outcomes: Sequence[Outcome], where: dict[str, Any]) -> list[str]:
    """The table: a row for each task, a column for each engine, peers with their ratio to fastgru."""
    engines = list(dict.fromkeys(engine for outcome in outcomes for engine in outcome.engines))
    commit = f", commit {where['commit']}" if where["commit"] else ""
    words = [
        f"{where['cpu']}, {where['threads']} threads, Python {where['python']}, {where['date'][:10]}{commit}.",
        "Medians of engines that took turns, every engine in its quickest way, fastgru in its plainest. In brackets:",
        "how many times fastgru's time or memory, and for fastgru the share of the machine's `sgemm` rate.",
        "",
        "| | " + " | ".join(f"{title(engine)} {_version(outcomes, engine)}".strip() for engine in engines) + " |",
        "|---" + "|--:" * len(engines) + "|",
    ]
    for outcome in outcomes:
        if len(outcome.tasks) > _MANY:
            cells = [_worst(outcome, engine) for engine in engines]
            words.append(f"| {outcome.job}: {outcome.title}, worst and median | " + " | ".join(cells) + " |")
            continue
        for task in outcome.tasks:
            name = f"{outcome.job}: {task or outcome.title}"
            words.append(f"| {name} | " + " | ".join(_cell(outcome, task, engine) for engine in engines) + " |")
    return words


def _spread(result: Result, unit: str) -> str:
    """From the least to the most, the unit once where it is the same."""
    least, most = (amount(value, unit) for value in (min(result.values), max(result.values)))
    number, _, name = least.partition(" ")
    return f"{number if most.endswith(' ' + name) else least} to {most}"


def _cell(outcome: Outcome, task: str, engine: str) -> str:
    result = outcome.best(task, engine)
    if result is None:
        return "-"
    ratio, share = outcome.ratio(result), outcome.share(result)
    text = amount(result.median, outcome.unit)
    if engine == OWN:
        return f"**{text}**" + (f" ({share:.0%})" if share else "")
    return text + (f" ({ratio:.1f}x)" if ratio else "")


def _worst(outcome: Outcome, engine: str) -> str:
    ratios = outcome.ratios(engine)
    if engine == OWN or not ratios:
        return "-"
    return f"{min(ratios.values()):.2f}x, {statistics.median(ratios.values()):.1f}x"


def _version(outcomes: Sequence[Outcome], engine: str) -> str:
    found = [outcome.versions[engine] for outcome in outcomes if engine in outcome.versions]
    return next(iter(found[0].values())) if found else ""


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
