"""``python -m bench [JOB]``: race, print the table, write the JSON file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import engines, jobs, report
from bench.race import race
from fastgru.threads import available_cpus


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Race fastgru against other engines.")
    parser.add_argument("job", nargs="?", choices=jobs.JOBS, default=jobs.JOBS[0])
    parser.add_argument("--engines", nargs="+", choices=engines.ENGINES, default=list(engines.ENGINES), metavar="NAME")
    parser.add_argument("--rounds", type=int, help="turns of each engine (default: the job's)")
    parser.add_argument("--threads", type=int, default=available_cpus(), help="of each engine (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="default: %(default)s")
    parser.add_argument("--readme", type=Path, help="a Markdown file with markers to put the table between")
    parser.add_argument("--quick", action="store_true", help="a little noise as data: shows that it runs, not how fast")
    options = parser.parse_args()

    job = jobs.load(options.job)
    rounds = options.rounds or (1 if options.quick else job.ROUNDS)
    console = Console()
    console.print(f"[bold]{job.TITLE}[/]; threads: {options.threads}, rounds: {rounds}", highlight=False)
    try:
        results, samples = race(
            options.job, options.engines, rounds, options.threads, options.quick, lambda line: print(line, flush=True)
        )
        where = report.machine(options.threads)
        rows = report.rows(results, samples)
        table = Table()
        for column in report.COLUMNS:
            table.add_column(column, justify="left" if column == "engine" else "right")
        for row in rows:
            table.add_row(*row)
        console.print(table)
        console.print(f"{where['cpu']}, {where['date']}, commit {where['commit'] or 'unknown'}", highlight=False)
        report.write_json(options.json, options.job, results, samples, where)
        console.print(f"Saved: {options.json}", highlight=False)
        if options.readme:
            report.write_readme(options.readme, rows, job.TITLE, where, rounds)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
