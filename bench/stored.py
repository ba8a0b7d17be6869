"""The results of earlier runs in `bench/results`, and the charts of the documentation that are drawn of them.

``python -m bench.stored FOLDER`` draws them: an SVG file for each job, and of the job with many sizes lines over batch
and over sequence length.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import ROOT, chart, lines
from bench.outcome import Outcome, Result

RESULTS = ROOT / "bench/results"
_README = ("train", "latency", "predict", "cold")  # in the chart of the README
_DERIVED = ("median", "ratio", "share_of_sgemm")  # what a file has besides, to be read by itself


def outcomes(path: Path) -> tuple[list[Outcome], dict[str, Any]]:
    """What `report.write_json` wrote: the outcome of each job, and where and when it was measured."""
    where = json.loads(path.read_text(encoding="utf-8"))
    return [_outcome(fields) for fields in where.pop("jobs").values()], where


def _outcome(fields: dict[str, Any]) -> Outcome:
    results = []
    for result in fields["results"]:
        own = {name: value for name, value in result.items() if name not in _DERIVED}
        results.append(Result(variant=own.pop("way"), **own))
    return Outcome(**fields | {"results": results})


def runs() -> Iterator[tuple[Outcome, dict[str, Any]]]:
    """Each stored outcome, and where and when it was measured."""
    for path in sorted(RESULTS.glob("*.json")):
        results, where = outcomes(path)
        yield from ((outcome, where) for outcome in results)


def draw_all(folder: Path) -> list[Path]:
    """Draw every stored result into `folder`: ``JOB.svg``, ``scale-batch.svg``, ``scale-steps.svg``, and
    ``speed.svg`` for the README."""
    folder.mkdir(parents=True, exist_ok=True)
    files, shown = [], {}
    for outcome, where in runs():
        shown[outcome.job] = outcome, where
        files.append(folder / f"{outcome.job}.svg")
        chart.draw(files[-1], [outcome], where, headed=False)
        if outcome.job == "scale":
            files += lines.draw(folder, outcome)
    if jobs := [shown[job] for job in _README if job in shown]:
        files.append(folder / "speed.svg")
        chart.draw(files[-1], [outcome for outcome, _where in jobs], jobs[0][1], headed=False)
    return files


def main(arguments: Sequence[str]) -> int:
    (folder,) = arguments
    for path in draw_all(Path(folder)):
        print(f"Saved: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
