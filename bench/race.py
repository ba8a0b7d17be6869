"""Interleaves the runs of all engines: A B C, A B C, ..., so that whatever else the machine does falls on them all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.engines import ENGINES, missing, title
from bench.jobs import sgemm
from bench.network import Arrays
from bench.outcome import OWN, Outcome, Result, Settings, duration
from bench.process import DiedError, Worker

Say = Callable[[str], None]
Selection = Literal["all", "plainest and quickest", "one"]

TOLERANCE = 1e-4  # by which the outputs of two engines, which are at most 1, may differ
TOLERANCE_TRAINED = 5e-3  # after a few updates; PyTorch's Adam has its epsilon at another place
YARDSTICK = "scipy_blas"
_RUN_SECONDS, _QUICK_SECONDS = 0.3, 0.02


def installed(outcome: Outcome, settings: Settings, say: Say, does: str = "predict") -> list[str]:
    """The engines that are asked for, can do it and are installed; a line for those that are not.

    Raises
    ------
    RuntimeError
        There is none.
    """
    names = []
    for name in settings.engines:
        if does not in ENGINES[name].does:
            continue
        if absent := missing(name):
            line = f"{title(name)}: skipped, {' and '.join(absent)} not installed"
            outcome.notes.append(line)
            say(line)
        else:
            names.append(name)
    if not names:
        raise RuntimeError("nobody to race")
    return names


class Race:
    """Workers that do one task after the other in turn, and add the results to an outcome.

    Parameters
    ----------
    names : sequence of str
        Of the engines; "scipy_blas" gives the sgemm rate.
    seconds : float
        How long a run, and the trial of a variant, lasts at least.
    yardstick : bool
        Whether the sgemm rate is taken in every round.
    """

    def __init__(
        self,
        outcome: Outcome,
        names: Sequence[str],
        settings: Settings,
        seconds: float,
        say: Say,
        yardstick: bool = True,
    ) -> None:
        self.outcome, self.say = outcome, say
        self.seconds = _QUICK_SECONDS if settings.quick else seconds
        self._folder = tempfile.TemporaryDirectory()
        self._files = Path(self._folder.name)
        self._workers: list[Worker] = []
        self._yardstick: Worker | None = None
        try:
            for name in [*names, *([YARDSTICK] if yardstick else [])]:
                self._workers.append(Worker(name, settings.threads, self._files))
                try:
                    outcome.versions[name] = self._workers[-1].ask("versions")
                except DiedError as died:
                    self._leave_out(died)
            if yardstick:
                self._yardstick = self._workers.pop()
                self._prepared(self._yardstick, "sgemm", {}, "", [], [])
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Race:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> None:
        for worker in [*self._workers, *filter(None, [self._yardstick])]:
            worker.end()
        self._folder.cleanup()

    def note(self, line: str) -> None:
        """Tell something that belongs to the outcome, once: a race that begins anew comes to the same again."""
        if line not in self.outcome.notes:
            self.outcome.notes.append(line)
            self.say(line)

    def run(
        self,
        job: str,
        arrays: Arrays,
        rounds: int,
        task: str = "",
        names: Sequence[str] | None = None,
        variants: Selection = "plainest and quickest",
    ) -> None:
        """Race at a task, all engines or those named.

        A variant of a peer that does not give the numbers of the first engine is left out. Each engine races in its
        plainest variant and in that which was quickest in a short trial, in all its variants, or in one: the
        quickest, for fastgru the plainest. A peer whose process dies is left out from then on, and the race begins
        anew.

        Raises
        ------
        RuntimeError
            fastgru cannot do the task, its numbers differ, or no peer has them.
        """
        while True:
            try:
                self._run(job, arrays, rounds, task, names, variants)
                return
            except DiedError as died:
                self._leave_out(died)

    def _leave_out(self, died: DiedError) -> None:
        if died.engine in (OWN, YARDSTICK):
            raise died
        self.note(f"{died}; left out from here on")
        (dead,) = (worker for worker in self._workers if worker.engine == died.engine)
        dead.end()
        self._workers.remove(dead)

    def _run(
        self, job: str, arrays: Arrays, rounds: int, task: str, names: Sequence[str] | None, variants: Selection
    ) -> None:
        workers = [worker for worker in self._workers if names is None or worker.engine in names]
        racing: list[tuple[Worker, Result]] = []
        expected: list[npt.NDArray[Any]] = []
        trials = self.outcome.trials[task] = {}
        self.outcome.differences[task], self.outcome.differences_trained[task] = {}, {}
        differing: list[str] = []
        for worker in workers:
            if not task:
                self.say(f"{title(worker.engine)}: warming up")
            for variant, seconds in self._prepared(worker, job, arrays, task, expected, differing).items():
                trials.setdefault(worker.engine, {})[variant] = seconds
            if seconds_of := trials.get(worker.engine):
                plainest = next(iter(seconds_of))
                quickest = min(seconds_of, key=lambda name: seconds_of[name])
                one = plainest if worker.engine == OWN else quickest
                selections = {"all": list(seconds_of), "plainest and quickest": [plainest, quickest], "one": [one]}
                for variant in dict.fromkeys(selections[variants]):
                    racing.append((worker, Result(worker.engine, task, variant, plain=variant == plainest)))
        if differing and len(trials) == 1 < len(workers):
            raise RuntimeError(f"{differing[0]}; nobody agrees, and nothing was timed")
        for line in differing:
            self.note(f"{line}; left out")
        rates: list[float] = []
        for number in range(1, rounds + 1):
            for worker, result in racing:
                seconds = self._time(worker, result.variant)
                result.values.append(seconds)
                if not task:
                    name = f"{title(worker.engine)}, {result.variant}"
                    self.say(f"round {number} of {rounds}: {name}: {duration(seconds)}")
            if self._yardstick:
                rates.append(sgemm.work() / self._time(self._yardstick, "sgemm"))
        if rates:
            self.outcome.sgemm[task] = rates
        for worker, result in racing:
            result.check = worker.ask("check", variant=result.variant)
        self.outcome.results += [result for _worker, result in racing]

    def _prepared(
        self,
        worker: Worker,
        job: str,
        arrays: Arrays,
        task: str,
        expected: list[npt.NDArray[Any]],
        differing: list[str],
    ) -> dict[str, float]:
        """The trials of a worker's variants whose answers are as expected, as those of the first are by definition; a
        line is added to `differing` for those whose are not."""
        data, file = self._files / "data.npz", self._files / "answers.npz"
        np.savez(data, allow_pickle=False, **arrays)
        reply = worker.ask("prepare", job=job, data=str(data), answers=str(file), seconds=self.seconds)
        for variant, why in reply["failed"].items():
            if worker.engine == OWN:
                raise RuntimeError(f"{title(worker.engine)}, {variant}{_at(task)} failed: {why}")
            self.note(f"{title(worker.engine)}, {variant}{_at(task)}: left out, {why}")
        agreeing: dict[str, float] = {}
        with np.load(file, allow_pickle=False) as stored:
            for number, variant in enumerate(reply["trials"]):
                if variant in reply["failed"]:
                    continue
                answers = [array for name, array in stored.items() if name.startswith(f"{number}.")]
                expected[:] = expected or answers
                pairs = zip(answers, expected, strict=True)
                differences = [largest_difference(answer, right) for answer, right in pairs]
                if why := _disagreement(differences):
                    line = f"{title(worker.engine)}, {variant}{_at(task)}: {why}"
                    if worker.engine == OWN:
                        raise RuntimeError(f"{line}; nothing was timed")
                    differing.append(line)
                    continue
                agreeing[variant] = reply["trials"][variant]
                recorded = self.outcome.differences, self.outcome.differences_trained
                for difference, record in zip(differences, recorded, strict=False):
                    record[task][worker.engine] = max(difference, record[task].get(worker.engine, 0.0))
        return agreeing

    def _time(self, worker: Worker, variant: str) -> float:
        return worker.ask("run", variant=variant, seconds=self.seconds)


def race(job_name: str, job: Any, settings: Settings, say: Say) -> Outcome:
    """A job of one task: all engines that can do it."""
    outcome = Outcome(job_name, job.TITLE)
    names = installed(outcome, settings, say, job.DOES)
    arrays = job.data(settings.quick)
    outcome.work[""], outcome.samples[""] = job.work(arrays), job.samples(arrays)
    with Race(outcome, names, settings, _RUN_SECONDS, say) as running:
        rounds = settings.rounds or (1 if settings.quick else job.ROUNDS)
        running.run(job_name, arrays, rounds, variants=job.VARIANTS)
    return outcome


def largest_difference(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Infinite where the shapes differ."""
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")


def _disagreement(differences: Sequence[float]) -> str:
    """What is wrong with a variant's numbers, before and, in training, after updates; nothing if they are close."""
    limits = ("", TOLERANCE), (" after updates", TOLERANCE_TRAINED)
    for difference, (when, tolerance) in zip(differences, limits, strict=False):
        if not difference <= tolerance:  # NaN too
            return (
                f"its numbers{when} differ by {difference:.2g} from those of the first engine, more than {tolerance:g}"
            )
    return ""


def _at(task: str) -> str:
    return f" at {task}" if task else ""
