"""The programs of examples/keras: the time of a training step with Keras and with fastgru, as each is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.outcome import OWN, Outcome, Result, Settings
from bench.race import Say, installed

TITLE = "programs written for Keras (examples/keras): a step of training, by each program's own code"
PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "keras" / "run.py"
LIBRARIES = {OWN: "fastgru", "keras_jax": "keras"}
_ROUNDS = 3


def run(settings: Settings, say: Say) -> Outcome:
    """The median time between two steps of each program, in processes that take turns, from the same weights."""
    outcome = Outcome("examples", TITLE)
    engines = [name for name in installed(outcome, settings, say) if name in LIBRARIES]
    rounds = settings.rounds or (1 if settings.quick else _ROUNDS)
    names = sorted(path.stem for path in PROGRAM.parent.glob("*.py") if path != PROGRAM)
    outcome.notes.append("text_generation takes its gradients by TensorFlow's tape, so Keras runs on TensorFlow there")
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            outcome.samples[name] = 1
            results = [Result(engine, name, "as written") for engine in engines]
            try:
                for _ in range(rounds):
                    for result in results:
                        result.values.append(step_seconds(name, result.engine, settings, Path(scratch)))
            except RuntimeError as error:
                outcome.notes.append(f"{name} is left out: {error}")
                say(outcome.notes[-1])
                continue
            outcome.results += results
            say(f"{name}: " + ", ".join(f"{result.engine} {result.median * 1e3:.2f} ms" for result in results))
    return outcome


def step_seconds(program: str, engine: str, settings: Settings, scratch: Path) -> float:
    """The median step of one run; RuntimeError with the program's last line where it stops."""
    report = scratch / "report.json"
    command = [sys.executable, str(PROGRAM), program, "--with", LIBRARIES[engine], "--report", str(report)]
    command += ["--weights", str(scratch / f"{program}.npz"), *(["--small"] if settings.quick else [])]
    threads = dict.fromkeys(("FASTGRU_NUM_THREADS", "OMP_NUM_THREADS"), str(settings.threads))
    environment = {**os.environ, **threads}
    environment.pop("FASTGRU_DATA", None)  # where fastgru alone would find data sets
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{engine} stopped with: {(done.stderr.strip().splitlines() or ['nothing said'])[-1]}")
    return float(json.loads(report.read_text(encoding="utf-8"))["step"])
