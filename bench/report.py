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
from bench.outcome import OWN, Outcome, Result, amount, counted, times
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


def write_readme(path: Path, outcomes: Sequence[Outcome], where: dict[str, Any]) -> None:
    """Put one table of all jobs between the two markers of a Markdown file."""
    before, after = around_table(path)
    path.write_text(before + _BEGIN + "\n" + "\n".join(readme_lines(outcomes, where)) + "\n" + _END + after)


def around_table(path: Path) -> tuple[str, str]:
    """The text of a Markdown file before and after the markers of the table.

    Raises
    ------
    ValueError
        It has none.
    """
    before, begin, rest = path.read_text().partition(_BEGIN)
    _table, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{path} has no markers {_BEGIN} and {_END} to put the table between.")
    return before, after


def readme_lines(outcomes: Sequence[Outcome], where: dict[str, Any]) -> list[str]:
    """The table: a row for each task, a column for each engine, peers with their ratio to fastgru."""
    engines = list(dict.fromkeys(engine for outcome in outcomes for engine in outcome.engines))
    commit = f", commit {where['commit']}" if where["commit"] else ""
    threads = counted(where["threads"], "thread")
    words = [
        f"{where['cpu']}, {threads}, Python {where['python']}, {where['date'][:10]}{commit}.",
        "Medians of engines that took turns, every engine in its quickest way, fastgru in its plainest; cold start and",
        "memory were tried in one way only. In brackets: how many times fastgru's time or memory, and for fastgru the",
        "share of the machine's `sgemm` rate; its least and most stand where they are more than a tenth apart.",
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


def _spread(result: Result, unit: str, after: str = "") -> str:
    """From the least to the most; a unit that they, and the amount that stands before them, share is written once."""
    least, most = (amount(value, unit).split() for value in (min(result.values), max(result.values)))
    if least[1] == most[1]:
        least.pop()
        if after.endswith(" " + most[1]):
            most.pop()
    return f"{' '.join(least)} to {' '.join(most)}"


def _cell(outcome: Outcome, task: str, engine: str) -> str:
    result = outcome.best(task, engine)
    if result is None:
        return "-"
    ratio, share = outcome.ratio(result), outcome.sgemm_share(result)
    text = amount(result.median, outcome.unit)
    if engine == OWN:
        wide = max(result.values) - min(result.values) > 0.1 * result.median
        spread = f", {_spread(result, outcome.unit, text)}" if wide else ""
        return f"**{text}**{spread}" + (f" ({share:.0%})" if share else "")
    return text + (f" ({times(ratio)}x)" if ratio else "")


def _worst(outcome: Outcome, engine: str) -> str:
    ratios = outcome.ratios(engine)
    if engine == OWN or not ratios:
        return "-"
    return f"{times(min(ratios.values()))}x, {times(statistics.median(ratios.values()))}x"


def _version(outcomes: Sequence[Outcome], engine: str) -> str:
    versions = [outcome.versions[engine] for outcome in outcomes if engine in outcome.versions]
    return next(iter(versions[0].values())) if versions else ""


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
