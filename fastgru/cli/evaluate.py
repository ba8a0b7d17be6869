"""Loss and metrics of a saved model on test data."""

from __future__ import annotations

import argparse
import time
from typing import Any

from fastgru.cli.arguments import MODEL, SOURCES, add_batch_size, add_running, source
from fastgru.cli.running import model_file, plan_of, predicting, shaped, thread_count
from fastgru.cli.table_arguments import FILE_HELP, add_reading
from fastgru.datasets import files

EXAMPLE = "fastgru evaluate digits.keras --data digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", **MODEL)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("file", nargs="?", metavar="FILE", help=f"{FILE_HELP}; for a model that was trained on one")
    data.add_argument("--data", type=source, help=SOURCES)
    add_batch_size(parser)
    add_running(parser)
    add_reading(parser)


def run(options: argparse.Namespace) -> None:
    from fastgru import utils

    model = model_file(options.model)
    plan = plan_of(options)
    if options.file is not None:
        if plan is None:
            raise ValueError(
                f"{options.model}: does not say how a table is read; only fastgru train FILE writes that into a model."
            )
        _evaluate_table(options.file, plan, predicting(model, options.batch_size, options.scale))
        return
    data = files.load(options.data, options.scale, training=False)
    x, y = shaped(data.test[0], model), data.test[1]
    if not model.compiled:
        model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    name = model.loss if isinstance(model.loss, str) else type(model.loss).__name__
    if y.ndim == 1 and name.replace("_", "").lower() == "categoricalcrossentropy":
        y = utils.to_categorical(y, model.output_shape[-1])
    began = time.perf_counter()
    results = model.evaluate(x, y, batch_size=options.batch_size, verbose=0, return_dict=True)
    seconds = time.perf_counter() - began
    for metric, value in results.items():
        print(f"Test {metric}: {value:.2%}" if "accuracy" in metric else f"Test {metric}: {value:.4f}")
    print(f"{len(x):,} samples of {data.name}, {len(x) / seconds:,.0f} samples per second, {thread_count()}")


def _evaluate_table(file: str, plan: Any, predict: Any) -> None:
    from fastgru.cli.table_training import say, say_outcome
    from fastgru.tables import reading, tasks

    problem = tasks.problem(reading.read(file, plan.wording), plan, None, None)
    outcome = problem.outcome(predict)
    say("Data", f"{file}, {outcome.count:,} samples")
    for note in problem.notes:
        say("Note", f"{note}.")
    say_outcome(outcome)
