"""The engines' programs in `bench.fresh`, which start anew for every run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.engines import ENGINES, title
from bench.network import Arrays, Floats
from bench.outcome import OWN, Outcome, Result, amount
from bench.process import fresh
from bench.race import TOLERANCE, Say, largest_difference


class Programs:
    """They run in turn, each with the network in a file of its own.

    A peer whose program fails, or whose numbers are not those of the first engine, is left out from then on, with a
    note. That of fastgru raises a RuntimeError.
    """

    def __init__(
        self, outcome: Outcome, folder: Path, names: Sequence[str], arrays: Arrays, threads: int, say: Say
    ) -> None:
        self._outcome, self._folder, self._names, self._threads, self._say = outcome, folder, list(names), threads, say
        self._expected: dict[int, Floats] = {}
        self._differences = outcome.differences[""] = {}
        self.data = folder / "data.npz"
        np.savez(self.data, allow_pickle=False, **arrays)
        for name in names:
            say(f"{title(name)}: saving the model, first start")
            with self._left_out_if_it_fails(name):
                fresh("save", [name, str(self.data), str(self._model(name))], threads)
                self.open_and_predict(name, arrays["x"][:1])

    def race(self, results: Sequence[Result], rounds: int, measure: Callable[[Result], float]) -> None:
        """Add a value to each result in each round, and to the outcome the results of the engines that went through."""
        for number in range(1, rounds + 1):
            for result in results:
                if result.engine not in self._names:
                    continue
                with self._left_out_if_it_fails(result.engine):
                    result.values.append(measure(result))
                    name = f"{title(result.engine)}{result.task and ', '}{result.task}"
                    self._say(f"round {number} of {rounds}: {name}: {amount(result.values[-1], self._outcome.unit)}")
        self._outcome.results += [result for result in results if result.engine in self._names]

    @contextmanager
    def _left_out_if_it_fails(self, name: str) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            line = f"{title(name)} failed: {error}"
            if name == OWN:
                raise RuntimeError(line) from None
            self._names.remove(name)
            self._differences.pop(name, None)
            self._outcome.notes.append(f"{line}; left out from here on")
            self._say(self._outcome.notes[-1])

    def _model(self, name: str) -> Path:
        return self._folder / f"{name}{ENGINES[name].file}"

    def open_and_predict(self, name: str, x: Floats) -> tuple[float, int]:
        """Seconds and bytes that a fresh process took at most.

        Raises
        ------
        RuntimeError
            The process failed, or its outputs are not those of the first engine.
        """
        inputs, outputs = self._folder / "x.npy", self._folder / "y.npy"
        np.save(inputs, x)
        arguments = [str(self._model(name)), str(inputs), str(outputs), str(self._threads)]
        seconds, printed = fresh(name, arguments, self._threads)
        answers = np.load(outputs)
        difference = largest_difference(answers, self._expected.setdefault(len(x), answers))
        if not difference <= TOLERANCE:  # NaN too
            raise RuntimeError(f"its numbers differ by {difference:.2g} from those of the first engine")
        self._differences[name] = max(difference, self._differences.get(name, 0.0))
        return seconds, int(printed.split()[-1])
