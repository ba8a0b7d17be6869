"""From a file of data to a trained model in Python, as ``fastgru train FILE`` does it."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from fastgru import threads, utils
from fastgru.models import load_model
from fastgru.tables import fitting, plan, reading, report, tasks
from fastgru.tables.fitting import Training
from fastgru.tables.network import Networks, Size
from fastgru.tables.plan import Plan
from fastgru.tables.samples import Answers, Outcome, Predict, Problem
from fastgru.tables.table import Table

BATCH_SIZE = 256  # samples computed at once where nothing is learned
SPLIT = (70.0, 15.0, 15.0)
# arguments of `train` that `prepared` takes as they are
AS_PREPARED = (
    "columns", "split", "stride", "epochs", "batch_size", "patience", "learning_rate", "schedule", "resume", "seed",
)  # fmt: skip

FilePath = str | PathLike[str]


@dataclass
class TableModel:
    """A model that reads tables.

    Attributes
    ----------
    model : Model
        It takes and gives raw numbers.
    plan : Plan
        How a table becomes its samples.
    """

    model: Any
    plan: Plan

    def predict(self, file: FilePath, **wording: str) -> Answers:
        """What the model says of a table: of a forecast what comes next, else of each sample.

        Parameters
        ----------
        file : path
            As for `train`; the target need not be there, but for a forecast.
        **wording : str
            `gaps`, `doubles`, `decimal` and `encoding` where they are others than in training.

        Returns
        -------
        Answers
            ``columns`` has them by name, ``array`` as the model gives them, ``notes`` what was decided on the way.

        Raises
        ------
        ValueError
            The file has not what the model reads.
        """
        as_read = replace(self.plan, **wording)  # type: ignore[arg-type]
        return tasks.answer(_read(file, as_read), as_read, self._predict)

    def evaluate(self, file: FilePath, **wording: str) -> Outcome:
        """How good the model is on all of a table, beside what needs no model; arguments as of `predict`."""
        as_read = replace(self.plan, **wording)  # type: ignore[arg-type]
        return tasks.problem(_read(file, as_read), as_read, None, None).outcome(self._predict)

    def save(self, path: FilePath) -> None:
        """Write model and plan as one `.keras` file, for `load`, the commands and Keras."""
        if Path(path).suffix != ".keras":
            raise ValueError(
                f"save: expected a file named *.keras, which tells how a table is read, got {str(path)!r}."
            )
        plan.save(self.model, self.plan, Path(path))

    @property
    def _predict(self) -> Predict:
        return partial(self.model.predict, batch_size=BATCH_SIZE, verbose=0)


@dataclass
class Trained(TableModel):
    """What `train` returns: a `TableModel`, and how its training went.

    Attributes
    ----------
    history : History
        Losses of the epochs.
    outcome : Outcome
        On the test part; ``outcome.verdict`` says whether the model beats what needs no model.
    notes : list of str
        What was found in the file and decided about it.
    """

    history: Any
    outcome: Outcome
    problem: Problem = field(repr=False)
    facts: list[tuple[str, str]] = field(repr=False)

    @property
    def notes(self) -> list[str]:
        return self.problem.notes

    def report(self, folder: FilePath) -> Path:
        """Write `report.html` into a folder, with curves, baselines and errors; where it stands."""
        return report.write(Path(folder), self.problem, self.outcome, self.history, self.facts)


@dataclass
class Prepared:
    """A table in its parts, and a network for it that is not trained yet."""

    file: str
    table: Table
    problem: Problem
    size: Size
    training: Training
    networks: Networks

    def facts(self) -> list[tuple[str, str]]:
        """What is trained on what, for a terminal and the report."""
        plan = self.problem.plan
        training_samples, held_out, test = (f"{len(part):,}" for part in self.problem.parts)
        what = {"forecast": f"{plan.horizon} steps of {plan.target!r}", "regress": repr(plan.target)}.get(
            plan.task, f"{plan.target!r}, {len(plan.classes)} classes"
        )
        reads = f"{plan.window:,} words of {plan.text!r}" if plan.task == "text" else ", ".join(plan.names[:12])
        if plan.task != "text" and plan.window is not None:
            every = f" every {plan.regular_step}" if plan.step else ""
            reads = f"{plan.window:,} rows{every} of {reads}"
        facts = [("Data", f"{self.file}, {len(self.table):,} rows"), ("Task", f"{plan.task} {what}"), ("Reads", reads)]
        if plan.known:
            facts.append(("Known ahead", ", ".join(plan.known)))
        if plan.groups:
            facts.append(("Series", f"{len(plan.groups):,} of {plan.group!r}"))
        epochs, count = self.training.epochs, threads.get_num_threads()
        rounds = f"{epochs} epoch{'s' * (epochs > 1)} at most, batch size {self.training.batch_size}"
        return [
            *facts,
            ("Samples", f"{training_samples} to train on, {held_out} to validate, {test} to test"),
            ("Model", f"{self.size}, {self.networks.trained.count_params():,} parameters"),
            ("Training", f"{rounds}, {count} thread{'s' * (count > 1)}"),
        ]

    def fit(self, verbose: Any = "auto") -> Trained:
        """Train, and test the model of the best epoch."""
        facts, began = self.facts(), clock.perf_counter()
        history = fitting.fit(self.networks.trained, self.problem, self.training, verbose)
        facts.append(("Time", f"{clock.perf_counter() - began:,.1f} s, {len(history.epoch)} epochs"))
        served = self.networks.served
        served.compile("adam", self.problem.loss, metrics=self.problem.metrics)
        served.optimizer.build(served.trainable_weights)  # as Keras expects it of a compiled model
        outcome = self.problem.outcome(partial(served.predict, batch_size=BATCH_SIZE, verbose=0))
        return Trained(served, self.problem.plan, history, outcome, self.problem, facts)


def prepared(
    file: FilePath,
    plan: Plan,
    *,
    columns: Sequence[str] | None = None,
    split: tuple[float, float, float] | None = None,
    stride: int | None = None,
    size: Size = Size(),  # noqa: B008 - it never changes
    epochs: int | None = None,
    batch_size: int | None = None,
    patience: int | None = None,
    learning_rate: float | None = None,
    schedule: str | None = None,
    resume: str | None = None,
    seed: int = 0,
) -> Prepared:
    """The table of a plan that has no features yet, and all that its training needs; None: what `train` says."""
    table = _read(file, plan)
    problem = tasks.problem(table, tasks.with_time(table, plan), columns, split or SPLIT, seed, stride or 1)
    utils.set_random_seed(seed)
    networks = problem.networks(size)
    samples = len(problem.parts[0])
    training = Training(
        epochs or fitting.epochs(samples),
        batch_size or fitting.batch_size(samples),
        5 if patience is None else patience,
        learning_rate or 1e-3,
        schedule or "constant",
        resume,
    )
    fitting.compile_model(networks.trained, problem, training)
    return Prepared(str(file), table, problem, size, training, networks)


def train(
    file: FilePath, target: str, task: str, *, window: int | None = None, horizon: int | None = None,
    columns: Sequence[str] | None = None, known: Sequence[str] | None = None, group: str | None = None,
    text: str | None = None, time: str | None = None, time_format: str | None = None, decimal: str | None = None,
    encoding: str | None = None, gaps: str | None = None, doubles: str | None = None, stride: int | None = None,
    split: tuple[float, float, float] | None = None, units: int = 64, layers: int = 1, bidirectional: bool = False,
    epochs: int | None = None, batch_size: int | None = None, patience: int | None = None,
    learning_rate: float | None = None, schedule: str | None = None, resume: str | None = None, seed: int = 0,
    verbose: Any = "auto",
) -> Trained:  # fmt: skip
    """Read a table, train a network on it and test it: ``fastgru train FILE``, by the same names and defaults.

    Parameters
    ----------
    file : path
        `*.csv`, `*.tsv`, `*.npz`, `*.npy` or, with the extra ``parquet``, `*.parquet`.
    target : str
        The column to predict.
    task : {"forecast", "classify", "regress", "text"}
    window, horizon, stride : int, optional
        Steps that the model sees; steps that it forecasts; rows between two windows to train on.
    columns, known : list of str, optional
        What is read beside the target (all that can be); columns of a forecast whose values ahead are known.
    group, text, time : str, optional
        Columns that tell series apart; of texts; of times.
    gaps : {"skip", "fill", "refuse"}, optional
        What becomes of missing rows and values.
    doubles : {"refuse", "first", "last", "mean"}, optional
        And of rows of one time.
    split : (float, float, float), optional
        Shares of training, validation and test (70, 15, 15), in the order of time.
    schedule : {"constant", "cosine", "exponential", "plateau"}, optional
        Of the learning rate.
    resume : str, optional
        The folder from which, and into which, the training is saved as it goes.
    seed : int
        Of all random numbers of fastgru, which are set.

    Raises
    ------
    ValueError
        The file has not what is asked for, or options do not go together; they are named as the command has them.
    """
    values = locals()
    named = {name: values[name] for name in plan.OPTIONS if values[name] is not None}
    size = Size(units, layers, bidirectional)
    ready = prepared(file, plan.planned(target, task, named), size=size, **{name: values[name] for name in AS_PREPARED})
    return ready.fit(verbose)


def load(path: FilePath) -> TableModel:
    """A model that `train` or the command saved.

    Raises
    ------
    ValueError
        It does not say how a table is read.
    ModelFileError
        The file is no model.
    """
    stored = plan.load(str(path))
    model = load_model(str(path))
    if stored is None:
        raise ValueError(
            f"{path}: does not say how a table is read; only a training on a table writes that into a model."
        )
    return TableModel(model, stored)


def _read(file: FilePath, as_read: Plan) -> Table:
    return reading.read(str(file), as_read.wording)
