"""One engine in a process of its own; does what it is told, line by line.

Started by `bench.process` as ``python -m bench.worker ENGINE THREADS``. Each line on stdin is a request in JSON and
gets one line of JSON on stdout:

- ``versions``: of the engine and what it stands on
- ``prepare`` with job, data, answers, seconds: makes the job's ways ready on the arrays in one file, writes the answers
  of each into the other as "WAY.PART", both counted from 0; replies with the seconds of each way's trial, None for
  those that failed, and with why
- ``turn`` with way and seconds: repeats the way for about so long; the median of its calls, of which the first is left
  out where there are many, because it brings back what other engines drove from the caches
- ``check`` with way: what the job asks afterwards
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.network import Arrays

_CALLS_AT_MOST = 5000


def timed(call: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each call, repeated for about so long, or a few times longer where that is fewer than three calls; of
    one call at least."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    while True:
        began = time.perf_counter()
        call()
        now = time.perf_counter()
        found.append(now - began)
        if now > (end if len(found) >= 3 else end + 3 * seconds) or len(found) == _CALLS_AT_MOST:
            return found


class _Desk:
    """Answers the requests."""

    def __init__(self, engine: str, threads: int) -> None:
        from bench import engines

        self.engine = engines.load(engine)
        self.threads = threads
        self.ways: dict[str, Any] = {}

    def versions(self) -> dict[str, str]:
        return self.engine.versions()

    def prepare(self, job: str, data: str, answers: str, seconds: float) -> dict[str, dict[str, Any]]:
        from bench import jobs

        self.ways.clear()  # the memory of the last job
        with np.load(data, allow_pickle=False) as file:
            ways = jobs.load(job).prepare(self.engine, dict(file), self.threads)
        found: Arrays = {}
        trials: dict[str, float | None] = {}
        failed: dict[str, str] = {}
        for number, (name, way) in enumerate(ways.items()):
            try:
                given = way.answers()
                # copies: an engine may use the memory again
                found.update({f"{number}.{part}": np.array(array) for part, array in enumerate(given)})
                trials[name] = min(timed(way.trial, seconds))
            except Exception as error:  # an engine's way may fail as it likes; the others go on
                trials[name], failed[name] = None, f"{type(error).__name__}: {error}".splitlines()[0]
        self.ways = ways
        np.savez(answers, allow_pickle=False, **found)
        return {"trials": trials, "failed": failed}

    def turn(self, way: str, seconds: float) -> float:
        found = timed(self.ways[way].turn, seconds)
        return statistics.median(found[1:] or found)

    def check(self, way: str) -> dict[str, float]:
        return self.ways[way].check()


def _end_with_parent() -> None:
    """Have Linux kill this process when the one that started it ends: stopped, it would never see the end of stdin."""
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    _end_with_parent()
    # what an engine prints goes to stderr and cannot mix with the answers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    desk = _Desk(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(desk, request.pop("do"))(**request)), file=answers, flush=True)


if __name__ == "__main__":
    main()
