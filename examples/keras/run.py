"""Runs a Keras program of this folder with Keras, with fastgru, or with both beside each other.

    python run.py mnist_rows --with fastgru
    python run.py --with both --small          # every program: the losses of the first steps, and the time, of each

With fastgru a program is edited as its owner would: the word `keras` in its import lines becomes `fastgru`, and in a
line marked `# tape` the library that has the tape. Nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).resolve().parent
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "run")
COMPARED = 20  # steps, whose losses must agree
TOLERANCE = 1e-3  # relative to the loss


def as_written_for(library: str, source: str) -> str:
    """The program with its import lines changed."""
    if library == "keras":
        return source
    source = re.sub(r"^from keras\b", "from fastgru", source, flags=re.MULTILINE)
    source = re.sub(r"^import keras$", "import fastgru as keras", source, flags=re.MULTILINE)
    return re.sub(r"^from \w+ (import \w+)  # tape\b.*", r"from fastgru \1", source, flags=re.MULTILINE)


def loaded(program: str, library: str) -> ModuleType:
    """The program as a module."""
    path = FOLDER / f"{program}.py"
    source = path.read_text(encoding="utf-8")
    if library == "keras":
        os.environ.setdefault("KERAS_BACKEND", "tensorflow" if "import GradientTape" in source else "jax")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    module = ModuleType(program)
    module.__file__ = str(path)
    sys.modules[program] = module
    exec(compile(as_written_for(library, source), str(path), "exec"), module.__dict__)
    return module


def recorder(library: ModuleType, losses: list[float], seconds: list[float]) -> Any:
    """A callback that notes the loss and the time after each step."""

    class Recorder(library.callbacks.Callback):  # type: ignore[name-defined, misc]
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            losses.append(float((logs or {})["loss"]))
            seconds.append(time.perf_counter())

    return Recorder()


def run(program: str, library: str, small: bool, epochs: int, weights: Path | None) -> dict[str, Any]:
    """Train and report; the first who comes leaves the initial weights in a file, the next begins with them."""
    import numpy as np

    module = loaded(program, library)
    keras = __import__(library)
    __import__(f"{library}.callbacks")
    keras.utils.set_random_seed(1)
    data = module.load(small)
    model = module.build(data)
    if weights is not None and weights.exists():
        with np.load(weights) as stored:
            model.set_weights([stored[name] for name in sorted(stored.files)])
    elif weights is not None:
        np.savez(weights, **{f"{index:04d}": np.asarray(array) for index, array in enumerate(model.get_weights())})
    losses: list[float] = []
    seconds: list[float] = []
    began = time.perf_counter()
    module.train(model, data, epochs, [recorder(keras, losses, seconds)])
    whole = time.perf_counter() - began
    # the median: what a library compiles, and what it does between epochs, is in few of the steps
    step = statistics.median(after - before for before, after in pairwise(seconds))
    return {"losses": losses[:COMPARED], "seconds": whole, "step": step, "steps": len(losses)}


def side_by_side(programs: list[str], options: list[str]) -> int:
    """Each program with Keras, then with fastgru from the same weights; the number of those whose losses differ."""
    print(
        f"{'program':24}{'steps':>7}{'Keras':>11}{'fastgru':>11}{'':>8}{'largest difference of the first losses':>42}"
    )
    differing = 0
    # where fastgru alone would find data sets, and both are to have the same
    environment = {name: value for name, value in os.environ.items() if name != "FASTGRU_DATA"}
    with tempfile.TemporaryDirectory() as scratch:
        for program in programs:
            outcomes = []
            for library in ("keras", "fastgru"):
                report = Path(scratch, f"{program}.{library}.json")
                command = [sys.executable, __file__, program, "--with", library, "--report", str(report)]
                command += ["--weights", str(Path(scratch, f"{program}.npz")), *options]
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
                if done.returncode:
                    print(f"{program:24} stopped with {library}:\n{done.stderr.strip()[-2000:]}")
                    break
                outcomes.append(json.loads(report.read_text(encoding="utf-8")))
            if len(outcomes) < 2:
                differing += 1
                continue
            theirs, ours = outcomes
            pairs = zip(theirs["losses"], ours["losses"], strict=True)
            difference = max(abs(a - b) / max(abs(a), 1e-3) for a, b in pairs)
            differing += not difference <= TOLERANCE
            ratio = theirs["step"] / ours["step"]
            print(
                f"{program:24}{ours['steps']:7}{theirs['step'] * 1e3:8.2f} ms{ours['step'] * 1e3:8.2f} ms{ratio:7.2f}x"
                f"{difference:42.1e}{'' if difference <= TOLERANCE else '  DIFFERS'}",
                flush=True,
            )
    return differing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(PROGRAMS)}; all where absent")
    parser.add_argument("--with", dest="library", choices=("keras", "fastgru", "both"), default="fastgru")
    parser.add_argument("--small", action="store_true", help="few data: seconds in the place of minutes")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--weights", type=Path, help="initial weights: read where the file is there, written where not")
    parser.add_argument("--report", type=Path, help="JSON with the losses of the first steps and the time of a step")
    arguments = parser.parse_args()
    unknown = set(arguments.programs) - set(PROGRAMS)
    if unknown:
        parser.error(f"there is no program {', '.join(sorted(unknown))}; choose from {', '.join(PROGRAMS)}")
    programs = arguments.programs or PROGRAMS
    options = ["--epochs", str(arguments.epochs), *(["--small"] if arguments.small else [])]
    if arguments.library == "both":
        return min(side_by_side(programs, options), 1)
    for program in programs:
        print(f"--- {program} with {arguments.library}")
        outcome = run(program, arguments.library, arguments.small, arguments.epochs, arguments.weights)
        print(f"{outcome['steps']} steps in {outcome['seconds']:.2f} s; {outcome['step'] * 1e3:.2f} ms a step")
        if arguments.report:
            arguments.report.write_text(json.dumps(outcome), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
