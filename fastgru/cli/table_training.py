"""`fastgru train FILE`: from a table to a saved model and a report."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from fastgru.cli.running import BATCH_SIZE, checked_out, predicting, thread_count

LABEL = 16  # letters before what a line says


def run(options: argparse.Namespace) -> None:
    from fastgru import utils
    from fastgru.distribution import is_first
    from fastgru.tables import fitting, plan, reading, report, tasks
    from fastgru.tables.network import Size

    plan_of_options = _plan(options)
    out = checked_out(options.out or f"fastgru-{Path(options.file).stem}.keras")
    if out.suffix != ".keras":
        raise ValueError(f"--out: expected a file named *.keras, which tells how a table is read, got {str(out)!r}.")
    table = reading.read(options.file, plan_of_options.wording)
    problem = tasks.problem(
        table,
        tasks.with_time(table, plan_of_options),
        options.columns,
        options.split or (70.0, 15.0, 15.0),
        options.seed,
        options.stride or 1,
    )
    size = Size(options.units or 64, options.layers or 1, bool(options.bidirectional))
    utils.set_random_seed(options.seed)
    networks = problem.networks(size)
    training = fitting.Training(
        options.epochs or fitting.epochs(len(problem.parts[0])),
        options.batch_size or fitting.batch_size(len(problem.parts[0])),
        5 if options.patience is None else options.patience,
        options.learning_rate or 1e-3,
        options.lr_schedule or "constant",
        options.resume,
    )
    fitting.compile_model(networks.trained, problem, training)
    facts = _facts(options.file, table, problem, size, networks.trained, training)
    for label, words in facts:
        say(label, words)
    for note in problem.notes:
        say("Note", f"{note}.")
    if options.dry_run:
        _dry_run(networks.trained, problem, training)
        return
    began = time.perf_counter()
    try:
        history = fitting.fit(networks.trained, problem, training)
    except KeyboardInterrupt:
        resumed = f"; the same command goes on from {options.resume}" if options.resume else ""
        raise KeyboardInterrupt(f"interrupted{resumed}") from None
    facts.append(("Time", f"{time.perf_counter() - began:,.1f} s, {len(history.epoch)} epochs"))
    networks.served.compile("adam", problem.loss, metrics=problem.metrics)
    networks.served.optimizer.build(networks.served.trainable_weights)  # as Keras expects it of a compiled model
    outcome = problem.outcome(predicting(networks.served, BATCH_SIZE))
    if is_first():
        plan.save(networks.served, problem.plan, out)
    say_outcome(outcome)
    if fitting.is_unfinished(history, training):
        say("Hint", "the last epoch was the best on the validation part; more --epochs may do better.")
    say("Saved", str(out))
    if options.report and is_first():
        page = report.write(Path(options.report), problem, outcome, history, facts)
        say("Report", str(page))


def say(label: str, words: str) -> None:
    print(f"{label + ':':<{LABEL}}{words}", flush=True)


def say_outcome(outcome: Any) -> None:
    for comparison in outcome.comparisons:
        others = ", ".join(f"{name} {comparison.shown(value)}" for name, value in comparison.baselines.items())
        say("Test", f"{comparison.metric} {comparison.shown(comparison.model)} ({others})")
    say("Verdict", outcome.verdict)


def _plan(options: argparse.Namespace) -> Any:
    """What the options say of the file; ValueError where they do not go together."""
    from fastgru.tables.plan import Plan

    if options.scale is not None:
        raise ValueError("--scale: is for --data; the columns of a file are scaled by themselves.")
    for option, what in (("target", "the column to predict"), ("task", "forecast, classify, regress or text")):
        if getattr(options, option) is None:
            raise ValueError(f"{options.file}: expected --{option}, {what}.")
    if options.task == "forecast" and options.window is None:
        raise ValueError("--task forecast: expected --window, the steps that the model looks back at, such as 168.")
    belongs = {"horizon": ("forecast",), "text": ("text",), "group": ("forecast", "classify", "regress")}
    belongs |= dict.fromkeys(("columns", "time", "time_format", "gaps", "doubles", "stride"), belongs["group"])
    for option, of_tasks in belongs.items():
        if getattr(options, option) is not None and options.task not in of_tasks:
            name = option.replace("_", "-")
            raise ValueError(f"--{name}: is for --task {' or '.join(of_tasks)}, not {options.task}.")
    if options.stride is not None and options.window is None:
        raise ValueError("--stride: is the distance of windows, and without --window there are none.")
    if options.time_format is not None and options.time is None:
        raise ValueError("--time-format: expected --time, too, the column that it describes.")
    return Plan(
        options.task,
        options.target,
        time=options.time,
        group=options.group,
        text=options.text,
        time_format=options.time_format,
        decimal=options.decimal or ".",
        encoding=options.encoding or "utf-8",
        window=options.window,
        horizon=options.horizon or 1,
        gaps=options.gaps or "skip",
        doubles=options.doubles or "refuse",
    )


def _facts(file: str, table: Any, problem: Any, size: Any, model: Any, training: Any) -> list[tuple[str, str]]:
    """What is trained on what, for the terminal and the report."""
    plan = problem.plan
    training_samples, held_out, test = (f"{len(part):,}" for part in problem.parts)
    what = {"forecast": f"{plan.horizon} steps of {plan.target!r}", "regress": repr(plan.target)}.get(
        plan.task, f"{plan.target!r}, {len(plan.classes)} classes"
    )
    reads = f"{plan.window:,} words of {plan.text!r}" if plan.task == "text" else ", ".join(plan.names[:12])
    if plan.task != "text" and plan.window is not None:
        every = f" every {plan.regular_step}" if plan.step else ""
        reads = f"{plan.window:,} rows{every} of {reads}"
    facts = [("Data", f"{file}, {len(table):,} rows"), ("Task", f"{plan.task} {what}"), ("Reads", reads)]
    if plan.groups:
        facts.append(("Series", f"{len(plan.groups):,} of {plan.group!r}"))
    epochs = f"{training.epochs} epoch{'s' * (training.epochs > 1)}"
    return [
        *facts,
        ("Samples", f"{training_samples} to train on, {held_out} to validate, {test} to test"),
        ("Model", f"{size}, {model.count_params():,} parameters"),
        ("Training", f"{epochs} at most, batch size {training.batch_size}, {thread_count()}"),
    ]


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
