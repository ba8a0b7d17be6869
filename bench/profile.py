"""Where the time of a training batch goes: ``python -m bench profile``, for the model of the `train` job.

Two views of the same loop. By the clock: how long each call of a compiled kernel takes, and what is left for Python and
numpy. By samples, where Linux's `perf` is installed and allowed: on what the threads are, by the names of C functions.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import ROOT, network
from bench.jobs.train import BATCH_SIZE
from bench.process import environment

_BATCHES = 50
_SAMPLED_SECONDS = 5
_NAMED = 12  # C functions that are printed by name

# the first pattern that fits "LIBRARY FUNCTION" decides
_PARTS = (
    ("waiting for the other threads", r" (pool_\w+|\S*run_tasks|sched_yield|\S*futex\S*|pthread_cond\S*)$|wait"),
    ("packing and transposing", r"(copy|_beta)\w*$|(pack|add_transposed)\w*(\.|$)"),
    ("products", r"blas.* |(_float\d+_\w+)\S* \S*(tile|gemm|product|multiply(?!_derivative))"),
    ("optimizer", r" \S*(adam|sgd|rmsprop)"),
    ("gates, forward and backward", r"_float\d+_"),
    ("moving memory", r" \S*mem(move|cpy|set)"),
    ("the operating system", r"\[kernel"),
    ("Python and numpy", r"."),
)


def run(threads: int, quick: bool) -> int:
    """Profile in a process of its own, which has the engines' environment."""
    command = [sys.executable, "-m", "bench.profile", str(threads), str(int(quick))]
    return subprocess.run(command, cwd=ROOT, env=environment(threads)).returncode


def main() -> None:
    threads, quick = int(sys.argv[1]), bool(int(sys.argv[2]))
    from bench.engines import fastgru

    batches = 4 if quick else _BATCHES
    rng = np.random.default_rng(0)
    x = rng.random((batches * BATCH_SIZE, 28, 28), dtype=np.float32)
    y = rng.integers(0, 10, len(x))
    trainer = fastgru.trainers(network.draw(28, 128, 10), 28, BATCH_SIZE, threads)["fit"]()
    trainer.epoch(x, y)
    _by_the_clock(lambda: trainer.epoch(x, y), batches)
    _by_samples(lambda: trainer.epoch(x, y), 1 if quick else _SAMPLED_SECONDS)


class _Timed:
    """A compiled module whose functions add up the time they take."""

    def __init__(self, module: Any, seconds: dict[str, float]) -> None:
        self._module, self._seconds = module, seconds

    def __getattr__(self, name: str) -> Any:
        function, seconds = getattr(self._module, name), self._seconds

        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                seconds[name] += time.perf_counter() - began

        # the next look-up finds it without coming here
        value = timed if callable(function) and not isinstance(function, type) else function
        setattr(self, name, value)
        return value


def _by_the_clock(epoch: Callable[[], None], batches: int) -> None:
    from fastgru import kernels

    plain = statistics.median(_seconds(epoch) for _number in range(3))
    seconds: dict[str, float] = defaultdict(float)
    module = kernels.module
    kernels.module = lambda dtype: timed
    timed: Any = _Timed(module("float32"), seconds)
    try:
        whole = _seconds(epoch)
    finally:
        kernels.module = module
    print(f"A batch of {BATCH_SIZE}: {1e6 * plain / batches:,.0f} us; with a clock at each kernel:")
    left = whole - sum(seconds.values())
    for name, spent in [*sorted(seconds.items(), key=lambda item: -item[1]), ("Python and numpy", left)]:
        print(f"  {1e6 * spent / batches:8,.1f} us {spent / whole:6.1%}  {name}")


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _by_samples(epoch: Callable[[], None], seconds: int) -> None:
    if shutil.which("perf") is None:
        print("What happens inside the kernels is not known: Linux's perf is not installed.")
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "perf.data"
        options = ["-q", "-e", "cpu-clock", "-F", "1999", "-p", str(os.getpid()), "-o", str(file)]
        recorder = subprocess.Popen(
            ["perf", "record", *options, "--", "sleep", str(seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while recorder.poll() is None:
            epoch()
        command = ["perf", "report", "-i", str(file), "--stdio", "--no-children", "-F", "overhead,dso,symbol"]
        report = subprocess.run([*command, "-w", "0,60,120"], capture_output=True, text=True)
        # after the report was asked for, because perf's own complaints are in what it wrote to stderr
        if recorder.returncode or report.returncode:
            complaint = recorder.communicate()[1].decode().strip().splitlines() or ["no message"]
            print(f"What happens inside the kernels is not known: perf record says {complaint[0]}")
            return
        recorder.communicate()
    functions = parse(report.stdout)
    print(f"Sampled for {seconds} s, all threads together:")
    for name, share in parts(functions).items():
        print(f"  {share:6.1%}  {name}")
    print("The functions behind most of it:")
    for share, library, function in functions[:_NAMED]:
        print(f"  {share:6.1%}  {function}  ({library})")


def parse(report: str) -> list[tuple[float, str, str]]:
    """Share, library and function of each line of perf's report; Cython's prefixes taken off."""
    functions = []
    for line in report.splitlines():
        match = re.match(r"\s*([\d.]+)%\s+(\S+)\s+\[[.k]\]\s+(\S+)", line)
        if match:
            function = re.sub(r"^__pyx_\w+?kernels_\d+_kernels_", "", match[3])
            functions.append((float(match[1]) / 100, match[2], function))
    return functions


def parts(functions: list[tuple[float, str, str]]) -> dict[str, float]:
    """What the functions' shares add up to, by what they do."""
    sums = {name: 0.0 for name, _pattern in _PARTS}
    for share, library, function in functions:
        fitting = (name for name, pattern in _PARTS if re.search(pattern, f"{library} {function}"))
        sums[next(fitting)] += share
    return sums


if __name__ == "__main__":
    main()
