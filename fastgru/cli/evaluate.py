"""Loss and metrics of a saved model on test data."""

from __future__ import annotations

import argparse
import time

from fastgru.cli.arguments import MODEL, SOURCES, add_batch_size, add_running, source
from fastgru.cli.running import model_file, shaped, thread_count
from fastgru.datasets import files

EXAMPLE = "fastgru evaluate digits.keras --data digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", **MODEL)
    parser.add_argument("--data", type=source, required=True, help=SOURCES)
    add_batch_size(parser)
    add_running(parser)


def run(options: argparse.Namespace) -> None:
    from fastgru import utils

    model = model_file(options.model)
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
