"""Train a GRU on a file of data or on images, test it, save it."""

from __future__ import annotations

import argparse
import time

import numpy as np

from fastgru.cli.arguments import COUNT, SOURCES, add_running, file_named, source, whole_number
from fastgru.cli.running import BATCH_SIZE, checked_out, thread_count
from fastgru.cli.table_arguments import FILE_HELP, add_table, named
from fastgru.datasets import files

EXAMPLE = "fastgru train --data digits --units 64 --epochs 20 --out digits.keras"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    seed = whole_number("from 0 to 2**32 - 1", 0, 2**32 - 1)
    parser.add_argument("file", nargs="?", metavar="FILE", help=FILE_HELP)
    parser.add_argument("--data", type=source, help=f"{SOURCES} (default: mnist where it can be had, else digits)")
    parser.add_argument("--units", **COUNT, help="size of the GRU (default: 128; 64 with a file)")
    parser.add_argument(
        "--epochs", **COUNT, help="rounds over the data (default: 10; 40 below 10,000 samples; with a file 20 and 100)"
    )
    parser.add_argument("--batch-size", **COUNT, help="samples a step (default: 128; 32 below 10,000 samples)")
    parser.add_argument("--seed", type=seed, metavar="N", default=0, help="of the random numbers (default: 0)")
    add_running(parser)
    parser.add_argument("--resume", metavar="FOLDER", help="save as it trains, and go on from there when started again")
    parser.add_argument(
        "--out", type=file_named(".keras", ".h5"), metavar="MODEL", help="*.keras or *.h5 (default: fastgru-DATA.keras)"
    )
    parser.set_defaults(of_tables=add_table(parser))


def run(options: argparse.Namespace) -> None:
    from fastgru.distribution import DataParallel  # deferred: it loads what help does not need

    with DataParallel() as processes:  # of mpirun
        processes.shows_traceback = False
        _run(options)


def _run(options: argparse.Namespace) -> None:
    if options.file is None:
        if alone := named(options, options.of_tables):
            raise ValueError(f"{alone[0]}: belongs to a file of data, such as fastgru train data.csv --target demand.")
        _train_classifier(options)
        return
    if options.data is not None:
        raise ValueError(f"--data: expected a data set by --data or a file of data ({options.file}), got both.")
    from fastgru.cli import table_training

    table_training.run(options)


def _train_classifier(options: argparse.Namespace) -> None:
    from fastgru import models, utils
    from fastgru.callbacks import TerminateOnNaN
    from fastgru.layers import GRU, Dense

    data = files.load(options.data, options.scale, training=True)
    print(f"Data:           {data.origin}", flush=True)
    out = checked_out(options.out or f"fastgru-{data.name}.keras")
    units = options.units or 128
    x, x_test = (files.sequences(pair[0], data.name) for pair in (data.train, data.test))
    y, y_test = (files.class_numbers(pair[1], data.name) for pair in (data.train, data.test))
    classes = int(max(y.max(), y_test.max())) + 1
    # few samples want smaller steps and more rounds
    few = len(x) < 10000
    batch_size = options.batch_size or (32 if few else 128)
    epochs = options.epochs or (40 if few else 10)

    utils.set_random_seed(options.seed)
    model = models.Sequential([GRU(units, input_shape=x.shape[1:]), Dense(classes, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    shape = " x ".join(map(str, x.shape[1:]))
    print(f"Samples:        {len(x):,} to train on, {len(x_test):,} to test on, of {shape} numbers")
    print(f"Model:          GRU({units}) and Dense({classes}), {model.count_params():,} parameters")
    print(f"Training:       {epochs} epoch{'s' * (epochs > 1)}, batch size {batch_size}, {thread_count()}", flush=True)
    began = time.perf_counter()
    try:
        history = model.fit(x, y, batch_size, epochs, callbacks=[TerminateOnNaN()], resume=options.resume)
    except KeyboardInterrupt:
        resumed = f"; the same command goes on from {options.resume}" if options.resume else ""
        raise KeyboardInterrupt(f"interrupted{resumed}") from None
    seconds = time.perf_counter() - began
    if not np.isfinite(history.history["loss"]).all():
        raise ValueError("the loss became infinite or NaN, so no model is saved; divide x by more with --scale.")
    loss, accuracy = model.evaluate(x_test, y_test, batch_size=BATCH_SIZE, verbose=0)
    model.save(out)
    print(f"Test accuracy:  {accuracy:.2%} (loss {loss:.4f})")
    if options.resume is None:  # else some of it may have been trained before
        print(f"Training speed: {epochs * len(x) / seconds:,.0f} samples per second ({seconds:.1f} s in all)")
    print(f"Saved:          {out}")
