"""A fresh process: import, open a model's file, predict one image, end."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench import network
from bench.engines import ENGINES, title
from bench.network import Arrays
from bench.outcome import Outcome, Result, Settings
from bench.process import fresh
from bench.race import TOLERANCE, Say, able, largest_difference

TITLE = "fresh process: import, open the model (GRU 128), first prediction, end"
_ROUNDS = 7


def run(settings: Settings, say: Say) -> Outcome:
    """Wall time from the start of each process to its end; a first one, which brings the files into memory, is not
    counted."""
    outcome = Outcome("cold", TITLE)
    names = list(able(outcome, settings, say))
    arrays = network.draw(28, 128, 10).arrays()
    arrays["x"] = np.random.default_rng(0).random((1, 28, 28), dtype=np.float32)
    with tempfile.TemporaryDirectory() as text:
        programs = Programs(Path(text), names, arrays, settings.threads, say)
        racing = [Result(name, "", f"opens a {ENGINES[name].file} file") for name in names]
        rounds = settings.rounds or (1 if settings.quick else _ROUNDS)
        for number in range(1, rounds + 1):
            for result in racing:
                seconds, _peak = programs.open_and_predict(result.engine, arrays["x"])
                result.values.append(seconds)
                say(f"round {number} of {rounds}: {title(result.engine)}: {seconds:.3f} s")
    outcome.results, outcome.samples[""] = racing, 1
    outcome.differences[""] = programs.differences
    return outcome


class Programs:
    """The engines' programs in `bench.fresh`, each with the network in a file of its own."""

    def __init__(self, folder: Path, names: Sequence[str], arrays: Arrays, threads: int, say: Say) -> None:
        self._folder, self._threads = folder, threads
        self._expected: dict[int, network.Floats] = {}
        self.differences: dict[str, float] = {}
        self.data = folder / "data.npz"
        np.savez(self.data, allow_pickle=False, **arrays)
        for name in names:
            say(f"{title(name)}: saving the model, first start")
            fresh("save", [name, str(self.data), str(self._model(name))], threads)
            self.open_and_predict(name, arrays["x"][:1])

    def _model(self, name: str) -> Path:
        return self._folder / f"{name}{ENGINES[name].file}"

    def open_and_predict(self, name: str, x: network.Floats) -> tuple[float, int]:
        """Seconds and bytes that a fresh process took at most, whose outputs are those of the first engine.

        Raises
        ------
        RuntimeError
            They are not, or the process failed.
        """
        inputs, outputs = self._folder / "x.npy", self._folder / "y.npy"
        np.save(inputs, x)
        arguments = [str(self._model(name)), str(inputs), str(outputs), str(self._threads)]
        seconds, printed = fresh(name, arguments, self._threads)
        found = np.load(outputs)
        difference = largest_difference(found, self._expected.setdefault(len(x), found))
        if not difference <= TOLERANCE:
            raise RuntimeError(f"{title(name)}: its numbers differ by {difference:.2g} from those of the first engine.")
        self.differences[name] = max(difference, self.differences.get(name, 0.0))
        return seconds, int(printed.split()[-1])
