"""One engine in a process of its own; answers requests, line by line.

Started by `bench.process` as ``python -m bench.worker ENGINE THREADS``. Each line on stdin is a request in JSON and
gets one line of JSON on stdout:

- ``versions``: of the engine and what it stands on
- ``prepare`` with job, data, answers, seconds: makes the job's variants ready on the arrays in one file, writes the
  answers of each into the other as "VARIANT.PART", both counted from 0; replies with the seconds of each variant's
  trial, None for those that failed, and with why
- ``run`` with variant and seconds: repeats the variant for about so long; the median of its calls, of which the first
  is left out where there are many, because it brings back what other engines drove from the caches
- ``check`` with variant: what the job asks afterwards
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
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while True:
        began = time.perf_counter()
        call()
        now = time.perf_counter()
        durations.append(now - began)
        if now > (end if len(durations) >= 3 else end + 3 * seconds) or len(durations) == _CALLS_AT_MOST:
            return durations


class _Requests:
    """Answers the requests."""

    def __init__(self, engine: str, threads: int) -> None:
        from bench import engines

        self.engine = engines.load(engine)
        self.threads = threads
        self.variants: dict[str, Any] = {}

    def versions(self) -> dict[str, str]:
        return self.engine.versions()

    def prepare(self, job: str, data: str, answers: str, seconds: float) -> dict[str, dict[str, Any]]:
        from bench import jobs

        self.variants.clear()  # the memory of the last job
        with np.load(data, allow_pickle=False) as file:
            variants = jobs.load(job).prepare(self.engine, dict(file), self.threads)
        arrays: Arrays = {}
        trials: dict[str, float | None] = {}
        failed: dict[str, str] = {}
        for number, (name, variant) in enumerate(variants.items()):
            try:
                outputs = variant.answers()
                # copies: an engine may use the memory again
                arrays.update({f"{number}.{part}": np.array(array) for part, array in enumerate(outputs)})
                trials[name] = min(timed(variant.trial, seconds))
            except Exception as error:  # an engine's variant may fail as it likes; the others go on
                trials[name], failed[name] = None, f"{type(error).__name__}: {error}".splitlines()[0]
        self.variants = variants
        np.savez(answers, allow_pickle=False, **arrays)
        return {"trials": trials, "failed": failed}

    def run(self, variant: str, seconds: float) -> float:
        measured = self.variants[variant]
        durations = measured.measure(seconds) if measured.measure else timed(measured.run, seconds)
        return statistics.median(durations[1:] or durations)

    def check(self, variant: str) -> dict[str, float]:
        return self.variants[variant].check()


def end_with_parent() -> None:
    """Have Linux kill this process when the one that started it ends: stopped, it would never see the end of stdin."""
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    end_with_parent()
    # what an engine prints goes to stderr and cannot mix with the answers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests = _Requests(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(requests, request.pop("do"))(**request)), file=answers, flush=True)


if __name__ == "__main__":
    main()
