"""Lets engines take turns at a job: A B C, A B C, ..., so that whatever else the machine does meets them all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench import ROOT, engines, jobs

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "FASTGRU_NUM_THREADS")


@dataclass
class Result:
    """What one engine did: its versions, the seconds of each turn, the answers of the check."""

    engine: str
    versions: dict[str, str]
    seconds: list[float] = field(default_factory=list)
    check: dict[str, float] = field(default_factory=dict)


class _Worker:
    """The process of one engine."""

    def __init__(self, engine: str, job: str, data: Path, threads: int, errors: IO[str]) -> None:
        environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))
        command = [sys.executable, "-m", "bench.worker", engine, job, str(data), str(threads)]
        self.engine, self._errors = engine, errors
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )

    def ask(self, line: str | None = None) -> Any:
        """The answer to a line (to the start for None); RuntimeError with the engine's last words where it died."""
        assert self._process.stdin and self._process.stdout
        try:
            if line:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            self._process.wait()
            self._errors.seek(0)
            words = self._errors.read().strip().splitlines() or ["no message"]
            raise RuntimeError(f"{engines.ENGINES[self.engine].title} failed: {words[-1]}") from None

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def race(
    job_name: str, names: Sequence[str], rounds: int, threads: int, quick: bool, say: Callable[[str], None]
) -> tuple[list[Result], int]:
    """Results of the engines that could take part, and the samples in one turn; `say` gets a line for what happens."""
    job = jobs.load(job_name)
    arrays = job.data(quick)
    workers: list[_Worker] = []
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(data, **arrays)
        try:
            for name in names:
                title = engines.ENGINES[name].title
                if absent := engines.missing(name):
                    say(f"{title}: skipped, {' and '.join(absent)} not installed")
                    continue
                say(f"{title}: warming up")
                errors = (Path(folder) / f"{name}.err").open("w+")
                workers.append(_Worker(name, job_name, data, threads, errors))
                results.append(Result(name, workers[-1].ask()))
            for number in range(1, rounds + 1):
                for worker, result in zip(workers, results, strict=True):
                    result.seconds.append(worker.ask("turn"))
                    title = engines.ENGINES[result.engine].title
                    say(f"round {number} of {rounds}: {title} {result.seconds[-1]:.3f} s")
            for worker, result in zip(workers, results, strict=True):
                result.check = worker.ask("check")
        finally:
            for worker in workers:
                worker.end()
    return results, job.size(arrays)
