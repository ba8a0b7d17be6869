"""`fastgru train FILE`: from a table to a saved model and a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastgru.cli.running import checked_out

LABEL = 16  # letters before what a line says


def run(options: argparse.Namespace) -> None:
    from fastgru.distribution import is_first
    from fastgru.tables import fitting, session
    from fastgru.tables.network import Size

    plan = _plan(options)
    out = checked_out(options.out or f"fastgru-{Path(options.file).stem}.keras")
    if out.suffix != ".keras":
        raise ValueError(f"--out: expected a file named *.keras, which tells how a table is read, got {str(out)!r}.")
    prepared = session.prepared(
        options.file,
        plan,
        columns=options.columns,
        split=options.split,
        stride=options.stride,
        size=Size(options.units or 64, options.layers or 1, bool(options.bidirectional)),
        epochs=options.epochs,
        batch_size=options.batch_size,
        patience=options.patience,
        learning_rate=options.learning_rate,
        schedule=options.lr_schedule,
        resume=options.resume,
        seed=options.seed,
    )
    for label, words in prepared.facts():
        say(label, words)
    for note in prepared.problem.notes:
        say("Note", f"{note}.")
    if options.dry_run:
        _dry_run(prepared.networks.trained, prepared.problem, prepared.training)
        return
    try:
        trained = prepared.fit()
    except KeyboardInterrupt:
        resumed = f"; the same command goes on from {options.resume}" if options.resume else ""
        raise KeyboardInterrupt(f"interrupted{resumed}") from None
    if is_first():
        trained.save(out)
    say_outcome(trained.outcome)
    if fitting.is_unfinished(trained.history, prepared.training):
        say("Hint", "the last epoch was the best on the validation part; more --epochs may do better.")
    say("Saved", str(out))
    if options.report and is_first():
        say("Report", str(trained.report(options.report)))


def say(label: str, words: str) -> None:
    print(f"{label + ':':<{LABEL}}{words}", flush=True)


def say_outcome(outcome: Any) -> None:
    for comparison in outcome.comparisons:
        others = ", ".join(f"{name} {comparison.shown(value)}" for name, value in comparison.baselines.items())
        say("Test", f"{comparison.metric} {comparison.shown(comparison.model)} ({others})")
    say("Verdict", outcome.verdict)


def _plan(options: argparse.Namespace) -> Any:
    """What the options say of the file; ValueError where they do not go together."""
    from fastgru.tables import plan, reading
    from fastgru.tables.table import Wording, listed

    if options.scale is not None:
        raise ValueError("--scale: is for --data; the columns of a file are scaled by themselves.")
    named = {name: getattr(options, name) for name in plan.OPTIONS if getattr(options, name) is not None}
    if options.target is None:
        wording = {name: named[name] for name in ("time", "time_format", "decimal", "encoding") if name in named}
        names = reading.read(options.file, Wording(**wording)).names
        raise ValueError(f"{options.file}: expected --target, the column to predict: {listed(names)}.")
    if options.task is None:
        raise ValueError(f"{options.file}: expected --task, forecast, classify, regress or text.")
    return plan.planned(options.target, options.task, named)


def _dry_run(model: Any, problem: Any, training: Any) -> None:
    from fastgru.models.summary import memory
    from fastgru.tables import fitting
    from fastgru.training.progress import duration

    model.summary()
    seconds = fitting.seconds_an_epoch(model, problem, training)
    numbers = 4 * model.count_params()
    if (most := fitting.process_bytes()) is not None:
        say("Memory", f"{memory(most)} at most; weights, gradients and Adam's state are {memory(4 * numbers)} of it")
    say("Time", f"about {duration(seconds)} an epoch, {duration(seconds * training.epochs)} for {training.epochs}")
    say("Dry run", "nothing was saved; without --dry-run it is trained")
