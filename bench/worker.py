"""One engine at one job in a process of its own; takes its turns when told to.

Started by `bench.race` as ``python -m bench.worker ENGINE JOB DATA.npz THREADS``. Answers each line on stdin with a
line of JSON: after the warm-up the versions, for ``turn`` the seconds it took, for ``check`` what the job asks.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np


def main() -> None:
    engine_name, job_name, data, threads = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    # before anything is imported that counts the CPUs
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    # what an engine prints goes to stderr and cannot mix with the answers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    from bench import engines, jobs

    def answer(value: object) -> None:
        print(json.dumps(value), file=answers, flush=True)

    engine, job = engines.load(engine_name), jobs.load(job_name)
    with np.load(data, allow_pickle=False) as file:
        prepared = job.prepare(engine, dict(file), threads)
    answer(engine.versions())
    for line in sys.stdin:
        if line.strip() == "turn":
            began = time.perf_counter()
            prepared.turn()
            answer(time.perf_counter() - began)
        else:
            answer(prepared.check())


if __name__ == "__main__":
    main()
