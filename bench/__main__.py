"""``python -m bench [JOB ...]``: race, print tables, write a JSON file and a chart.

``python -m bench profile`` tells where the time of a training batch goes instead.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import chart, engines, jobs, process, profile, report
from bench.outcome import Outcome, Settings
from fastgru.threads import available_cpus

_PROFILE = "profile"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Race fastgru against other engines.")
    parser.add_argument(
        "jobs", nargs="*", metavar="JOB", help=f"{', '.join(jobs.JOBS)} (default: all of them), or {_PROFILE} alone"
    )
    parser.add_argument("--engines", nargs="+", choices=engines.ENGINES, default=list(engines.ENGINES), metavar="NAME")
    parser.add_argument("--rounds", type=_count, help="turns of each engine (default: the job's)")
    parser.add_argument(
        "--threads", type=_count, default=available_cpus(), help="of each engine (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="default: %(default)s")
    parser.add_argument("--plot", type=Path, help="a chart (default: the JSON file's name with .png)")
    parser.add_argument("--quick", action="store_true", help="a little noise as data: shows that it runs, not how fast")
    options = parser.parse_args()
    # as an exception it lets workers, which may be stopped, be ended
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    for name in options.jobs:
        if name not in jobs.JOBS and options.jobs != [_PROFILE]:
            parser.error(f"unknown job {name!r}: choose from {', '.join(jobs.JOBS)}, or {_PROFILE} alone")
    if options.threads > available_cpus():
        parser.error(
            f"argument --threads: {options.threads} are more than the {available_cpus()} that may be used here"
        )
    # each once, and fastgru's numbers first: the others are compared with them
    options.engines = [name for name in engines.ENGINES if name in options.engines]
    options.plot = options.plot or options.json.with_suffix(".png")
    try:
        _check_files(options)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    # a file or a pipe is as wide as the tables need
    console = Console(width=None if sys.stdout.isatty() else 140)
    if hasattr(os, "sched_setaffinity"):
        # what is started from here inherits it; for engines that count CPUs instead of being told
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    if removed := process.removed():
        words = " ".join(f"{name}={value}" for name, value in removed.items())
        console.print(f"Not passed on to the engines, because it steers OpenBLAS: {words}", highlight=False)
    try:
        if options.jobs == [_PROFILE]:
            return profile.run(options.threads, options.quick)
        return _race(options, console)
    except KeyboardInterrupt:
        return 130


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no positive whole number")
    return int(text)


def _check_files(options: argparse.Namespace) -> None:
    """Tell before a long race what could not be written after it."""
    for path in filter(None, (options.json, options.plot)):
        if not path.resolve().parent.is_dir():
            raise ValueError(f"there is no folder {path.parent} to write {path.name} into")
    if options.json.resolve() == options.plot.resolve():
        raise ValueError(f"the JSON file and the chart cannot both be {options.json}")


def _race(options: argparse.Namespace, console: Console) -> int:
    """Do the jobs; one that fails does not keep the others from being done."""
    settings = Settings(options.engines, options.threads, options.rounds, options.quick)
    where = report.machine(options.threads)
    outcomes: list[Outcome] = []
    failed = False
    for name in options.jobs or jobs.between(options.engines):
        console.print(f"[bold]{name}: {jobs.load(name).TITLE}[/]; threads: {options.threads}", highlight=False)
        try:
            outcome = jobs.run(name, settings, lambda line: print(line, flush=True))
            outcomes.append(outcome)
            console.print(_table(outcome))
            for line in report.lines(outcome):
                console.print(line, highlight=False, markup=False)
            # after each job, so that an interrupted one does not take those before it along
            report.write_json(options.json, outcomes, where)
        except (RuntimeError, ValueError, OSError) as error:
            print(f"bench: {name}: {error}", file=sys.stderr)
            failed = True
    if not outcomes:
        return 1
    console.print(f"{where['cpu']}, {where['date']}, commit {where['commit'] or 'unknown'}", highlight=False)
    try:
        console.print(f"Saved: {options.json}", highlight=False)
        console.print(chart.draw(options.plot, outcomes, where), highlight=False)
    except (ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        failed = True
    return int(failed)


def _table(outcome: Outcome) -> Table:
    table = Table()
    rows = report.rows(outcome)
    # a column in which no row has something to say is left out
    columns = [number for number in range(len(report.COLUMNS)) if any(row[number] not in ("", "-") for row in rows)]
    for number in columns:
        table.add_column(report.COLUMNS[number], justify="left" if number < 3 else "right")
    for row in rows:
        table.add_row(*(row[number] for number in columns))
    return table


if __name__ == "__main__":
    sys.exit(main())
