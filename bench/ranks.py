"""How training scales over processes: ``python -m bench.ranks`` measures one and two on this machine, and stores it.

It needs mpirun and the extra ``[mpi]``. Into ``bench/results/ranks.json`` go the seconds of a step of three models (one
process with one thread and with two, two processes with one each; for several numbers of rows), and those of adding up
buffers of many sizes. `tables` makes the tables of docs/scale.md of them: the measured steps beside what the model of
cost says of two processes, and what it says of more machines::

    step(n) = compute(B / n) + 2 (n - 1) / n * bytes / bandwidth + 2 (n - 1) * latency

with compute(b) a line through the measured steps of b rows. ``--quick`` shows that it runs, not how fast.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import ROOT, report
from bench.tables import table
from fastgru import distribution

STORED = ROOT / "bench/results/ranks.json"
BATCH = 128  # rows of a whole batch
NODES = (4, 8, 16, 32, 64)
SUMS = 10  # in one measurement: a process that comes later finds the other's message there
SIZES = [4**power for power in range(5, 13)]  # of buffers, in bytes: 1 kB to 16 MB


class Shape(NamedTuple):
    """A model of GRU layers and a softmax over ten classes, and the batches of an epoch that are timed."""

    words: str
    units: tuple[int, ...]
    steps: int
    features: int
    batches: int


SHAPES = {
    "small": Shape("GRU 32 over (20, 4)", (32,), 20, 4, 100),
    "mnist": Shape("GRU 128 over (28, 28)", (128,), 28, 28, 20),
    "large": Shape("two GRU 512 over (20, 64)", (512, 512), 20, 64, 2),
}


class Network(NamedTuple):
    """What lies between the machines: bytes a second that arrive, and seconds until the first does."""

    words: str
    bandwidth: float
    latency: float


NETWORKS = (
    Network("10 Gbit/s", 0.9 * 10e9 / 8, 30e-6),
    Network("100 Gbit/s", 0.9 * 100e9 / 8, 10e-6),
)

# --- measuring -------------------------------------------------------------------------------------------------------


def train(name: str, rows: int, rounds: int) -> dict[str, float]:
    """The shortest time of a step of so many rows, all processes together; run by each of them."""
    from fastgru import utils
    from fastgru.callbacks import LambdaCallback
    from fastgru.layers import GRU, Dense
    from fastgru.models import Sequential

    shape, seconds, begun = SHAPES[name], [], [0.0]
    rng = np.random.default_rng(0)
    count = rows * shape.batches
    x = rng.standard_normal((count, shape.steps, shape.features)).astype("float32")
    y = rng.integers(0, 10, count)
    clock = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: begun.append(time.perf_counter()),
        on_epoch_end=lambda epoch, logs: seconds.append(time.perf_counter() - begun[-1]),
    )
    utils.set_random_seed(0)
    hidden = [GRU(units, return_sequences=True) for units in shape.units[:-1]]
    model = Sequential([*hidden, GRU(shape.units[-1]), Dense(10, activation="softmax")])
    model.build((None, shape.steps, shape.features))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=rows, epochs=rounds + 1, verbose=0, callbacks=[clock])
    return {"seconds": min(seconds[1:]) / shape.batches, "bytes": 4.0 * model.count_params()}


def add(rounds: int) -> dict[str, float]:
    """The shortest time of adding up a buffer over the processes, by its size in bytes."""
    times, ranks = {}, distribution.current()
    assert ranks is not None
    for size in SIZES:
        buffer, seconds = np.zeros(size // 4, "float32"), []
        for _ in range(4 * rounds):
            ranks.wait()
            begun = time.perf_counter()
            for _ in range(SUMS):
                ranks.add(buffer)
            seconds.append((time.perf_counter() - begun) / SUMS)
        times[str(size)] = min(seconds)
    return times


def processes(count: int, threads: int, *words: Any) -> dict[str, float]:
    """What the first of so many processes of this program prints."""
    starter = ["mpirun", "-n", str(count)] if count > 1 else []
    command = [*starter, sys.executable, "-m", "bench.ranks", "--run", *map(str, words)]
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    environment = {**os.environ, **as_root, "FASTGRU_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    numbers: dict[str, float] = json.loads(done.stdout)
    return numbers


def measured(turns: int, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All that is stored; what is compared takes turns, and the shortest of them counts."""
    steps: dict[str, dict[str, float]] = {name: {} for name in SHAPES}
    added: dict[str, float] = {}
    for index in range(turns):
        for name in SHAPES:
            for count, threads, rows in ((1, 1, BATCH), (1, 2, BATCH), (2, 1, BATCH), (1, 1, BATCH // 2), *_parts()):
                run = processes(count, threads, name, rows, rounds)
                key = f"{count} x {threads}, {rows} rows"
                steps[name][key] = min(run["seconds"], steps[name].get(key, np.inf))
                steps[name]["bytes"] = run["bytes"]
                say(f"turn {index + 1}: {name}, {key}: {1e3 * run['seconds']:.3f} ms")
        for size, seconds in processes(2, 1, "add", 0, rounds).items():
            added[size] = min(seconds, added.get(size, np.inf))
    return {"steps": steps, "added": added, "batch": BATCH}


def _parts() -> list[tuple[int, int, int]]:
    """The sizes of batches through which a machine's time is drawn."""
    return [(1, 2, rows) for rows in (BATCH // 16, BATCH // 4)]


# --- the model of cost ------------------------------------------------------------------------------------------------


def ring(size: float, nodes: int, network: Network) -> float:
    """Seconds in which a ring of machines adds up a buffer: each sends and gets 2 (n - 1) parts of it."""
    return 2 * (nodes - 1) / nodes * size / network.bandwidth + 2 * (nodes - 1) * network.latency


def shared_memory(stored: dict[str, Any], size: float) -> float:
    """Seconds in which two processes of this machine add up a buffer, between the measured sizes."""
    sizes = sorted(map(int, stored["added"]))
    return float(np.interp(size, sizes, [stored["added"][str(one)] for one in sizes]))


def machine(steps: dict[str, float], batch: int) -> tuple[float, float]:
    """Seconds of a step of one machine, with two threads: what each takes, and each row."""
    rows = [batch // 16, batch // 4, batch]
    slope, start = np.polyfit(rows, [steps[f"1 x 2, {count} rows"] for count in rows], 1)
    return max(float(start), 0.0), float(slope)


# --- tables -----------------------------------------------------------------------------------------------------------


def tables(stored: dict[str, Any]) -> str:
    """The tables of docs/scale.md."""
    batch = stored["batch"]
    parts = [_of_this_machine(stored, batch), _of_sums(stored)]
    parts += [
        f"{batch} rows for each machine, so n times as many in a whole batch; samples a second beside one machine's:",
        _of_more(stored, [(batch * nodes, nodes) for nodes in NODES], lambda rows, nodes: rows / nodes),
        f"{8 * batch:,} rows in a whole batch, shared out:",
        _of_more(stored, [(8 * batch, nodes) for nodes in NODES], lambda rows, nodes: rows),
    ]
    return "\n\n".join([f"*{stored['cpu']}, {stored['date'][:10]}.*", *parts]) + "\n"


def _of_this_machine(stored: dict[str, Any], batch: int) -> str:
    rows = []
    for name, steps in stored["steps"].items():
        one, two, both = (steps[f"{way}, {batch} rows"] for way in ("1 x 1", "1 x 2", "2 x 1"))
        predicted = steps[f"1 x 1, {batch // 2} rows"] + shared_memory(stored, steps["bytes"])
        milliseconds = (f"{1e3 * seconds:.3g} ms" for seconds in (one, two, both, predicted))
        rows.append([SHAPES[name].words, f"{steps['bytes'] / 1e6:.2f} MB", *milliseconds, f"{one / both / 2:.0%}"])
    head = [
        f"a step of {batch} rows", "gradients", "1 process, 1 thread", "1 process, 2 threads", "2 processes, 1 thread",
        "so the model", "efficiency",
    ]  # fmt: skip
    return table(head, rows)


def _of_sums(stored: dict[str, Any]) -> str:
    rows = [[f"{int(size) / 1e3:,.0f} kB", f"{1e6 * t:,.0f} us"] for size, t in stored["added"].items()]
    return table(["a buffer of", "added up by two processes in"], rows)


def _of_more(stored: dict[str, Any], batches: Sequence[tuple[int, int]], alone: Callable[[int, int], float]) -> str:
    """How many times as many samples a second machines take as one does, whose batches have as many rows as `alone`.

    Parameters
    ----------
    batches : sequence of (rows, machines)
    """
    lines = []
    for name, steps in stored["steps"].items():
        fixed, a_row = machine(steps, stored["batch"])
        for network in NETWORKS:
            speedups = []
            for rows, nodes in batches:
                by_one = alone(rows, nodes)
                by_all = fixed + a_row * rows / nodes + ring(steps["bytes"], nodes, network)
                speedups.append(f"{rows / by_all / (by_one / (fixed + a_row * by_one)):.1f}")
            lines.append([SHAPES[name].words, network.words, *speedups])
    return table(["times as fast as one machine", "network", *(str(nodes) for _, nodes in batches)], lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ranks", description="Measure one and two processes.")
    parser.add_argument("--json", type=Path, default=STORED, help="where the numbers go (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short turn")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)  # what one of the processes does
    options = parser.parse_args()
    if options.run:
        name, rows, rounds = options.run[0], int(options.run[1]), int(options.run[2])
        with distribution.DataParallel():
            print(json.dumps(add(rounds) if name == "add" else train(name, rows, rounds)))
        return 0
    turns, rounds = (1, 1) if options.quick else (options.turns, 5)
    try:
        numbers = measured(turns, rounds, lambda line: print(line, flush=True))
    except (RuntimeError, OSError) as error:
        print(f"bench.ranks: {error}", file=sys.stderr)
        return 1
    stored = {**report.machine(2), "jobs": {}, **numbers}  # the form of all that is stored; here no engines raced
    options.json.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(tables(stored))
    return 0


if __name__ == "__main__":
    sys.exit(main())
