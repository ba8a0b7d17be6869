"""The tables of the documentation that are made of stored results, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import stored
from bench.engines import title
from bench.outcome import OWN, Outcome, duration, times


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(outcome: Outcome, engine: str, of: Callable[[Any], str]) -> list[str]:
    """What is told of an engine's best result at each task; a dash where it has none."""
    results = (outcome.best(task, engine) for task in outcome.tasks)
    return [of(result) if result else "-" for result in results]


def _with_ratio(outcome: Outcome, text: str, result: Any) -> str:
    """The text, behind it in brackets how many times fastgru's time a peer took."""
    ratio = outcome.ratio(result)
    return text if result.engine == OWN or ratio is None else f"{text} ({times(ratio)}x)"


def _step(outcome: Outcome) -> list[str]:
    """Medians, and below them the slowest steps."""

    def median(result: Any) -> str:
        return _with_ratio(outcome, duration(result.check["p50"]), result)

    def slowest(result: Any) -> str:
        return ", ".join(duration(result.check[name]) for name in ("p99", "p99.9", "max"))

    steps = [result.check["steps"] for result in outcome.results]
    return [
        table(["median", *outcome.tasks], [[title(name), *_cells(outcome, name, median)] for name in outcome.engines]),
        f"The slowest of {min(steps):,.0f} to {max(steps):,.0f} steps of each, as p99, p99.9 and the maximum:",
        table(
            ["p99, p99.9, max", *outcome.tasks],
            [[title(name), *_cells(outcome, name, slowest)] for name in outcome.engines],
        ),
    ]


def _by_task(outcome: Outcome, of: Callable[[Any], str]) -> list[str]:
    """A line for each task, a column for each engine."""
    columns = [_cells(outcome, name, of) for name in outcome.engines]
    rows = [[task, *cells] for task, *cells in zip(outcome.tasks, *columns, strict=True)]
    return [table([outcome.title, *map(title, outcome.engines)], rows)]


def _stream(outcome: Outcome) -> list[str]:
    def of(result: Any) -> str:
        sessions = outcome.samples[result.task]
        per_step, rate = duration(result.median / sessions), sessions / result.median
        return _with_ratio(outcome, f"{per_step}, {rate:,.0f}/s", result)

    return _by_task(outcome, of)


def _serve(outcome: Outcome) -> list[str]:
    def of(result: Any) -> str:
        return _with_ratio(outcome, f"{1 / result.median:,.0f}/s, p99 {duration(result.check['p99'])}", result)

    return [*_by_task(outcome, of), _shares(outcome)]


def _shares(outcome: Outcome) -> str:
    """The part of a request that fastgru's model takes: what it takes longer than one whose answers are known."""
    shares = []
    for task in outcome.tasks:
        own, known = outcome.best(task, OWN), outcome.best(task, "by_heart")
        if own and known:
            shares.append(f"{task} {max(0.0, 1 - known.median / own.median):.0%}")
    return f"The model's part of a request, with fastgru: {'; '.join(shares)}." if shares else ""


def _bridge(outcome: Outcome) -> list[str]:
    """A library's own layer, beside the same on fastgru's kernels."""
    rows = []
    for task in outcome.tasks:
        own = outcome.best(task, OWN)
        for peer in outcome.engines:
            other = outcome.best(task, peer)
            if own and other and peer != OWN:
                rows.append([task, duration(other.median), duration(own.median), f"{other.median / own.median:.2f}"])
    return [table(["a step", "the library's own", "on fastgru's kernels", "times as fast"], rows)]


_JOBS = {"step": _step, "stream": _stream, "serve": _serve, "bridge": _bridge}


def write(folder: Path) -> None:
    """Write ``JOB.md`` for each job that has tables: where it was measured, the tables, and what was noted."""
    runs = {outcome.job: (outcome, where) for outcome, where in stored.runs()}
    for job, tables in _JOBS.items():
        text = "<!-- no run is stored -->"
        if job in runs:
            outcome, where = runs[job]
            head = f"*{where['cpu']}, {where['date'][:10]}, commit {where['commit']}.*"
            notes = "\n".join(f"- {note}" for note in outcome.notes)
            text = "\n\n".join(filter(None, [head, *tables(outcome), notes]))
        (folder / f"{job}.md").write_text(f"{text}\n", encoding="utf-8")
