"""Train a GRU classifier, test it, save it."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from fastgru.cli.arguments import COUNT, SOURCES, add_running, file_named, source, whole_number
from fastgru.cli.running import BATCH_SIZE, thread_count
from fastgru.datasets import files

EXAMPLE = "fastgru train --data digits --units 64 --epochs 20 --out digits.keras"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    seed = whole_number("from 0 to 2**32 - 1", 0, 2**32 - 1)
    parser.add_argument("--data", type=source, help=f"{SOURCES} (default: mnist where it can be had, else digits)")
    parser.add_argument("--units", **COUNT, default=128, help="size of the GRU (default: %(default)s)")
    parser.add_argument("--epochs", **COUNT, help="rounds over the data (default: 10; 40 below 10,000 samples)")
    parser.add_argument("--batch-size", **COUNT, help="samples a step (default: 128; 32 below 10,000 samples)")
    parser.add_argument("--seed", type=seed, metavar="N", default=0, help="of the random numbers (default: 0)")
    add_running(parser)
    parser.add_argument("--resume", metavar="FOLDER", help="save as it trains, and go on from there when started again")
    parser.add_argument(
        "--out", type=file_named(".keras", ".h5"), metavar="MODEL", help="*.keras or *.h5 (default: fastgru-DATA.keras)"
    )


def run(options: argparse.Namespace) -> None:
    from fastgru import models, utils
    from fastgru.callbacks import TerminateOnNaN
    from fastgru.layers import GRU, Dense

    data = files.load(options.data, options.scale, training=True)
    print(f"Data:           {data.origin}", flush=True)
    out = Path(options.out or f"fastgru-{data.name}.keras")
    if not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        raise ValueError(f"--out: expected a folder that can be written to, got {str(out.parent)!r}.")
    x, x_test = (files.sequences(pair[0], data.name) for pair in (data.train, data.test))
    y, y_test = (files.class_numbers(pair[1], data.name) for pair in (data.train, data.test))
    classes = int(max(y.max(), y_test.max())) + 1
    # few samples want smaller steps and more rounds
    few = len(x) < 10000
    batch_size = options.batch_size or (32 if few else 128)
    epochs = options.epochs or (40 if few else 10)

    utils.set_random_seed(options.seed)
    model = models.Sequential([GRU(options.units, input_shape=x.shape[1:]), Dense(classes, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    shape = " x ".join(map(str, x.shape[1:]))
    print(f"Samples:        {len(x):,} to train on, {len(x_test):,} to test on, of {shape} numbers")
    print(f"Model:          GRU({options.units}) and Dense({classes}), {model.count_params():,} parameters")
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
