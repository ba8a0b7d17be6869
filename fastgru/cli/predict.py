"""Predictions of a saved model for a table or an array."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.cli.arguments import MODEL, add_batch_size, add_running, file_named
from fastgru.cli.running import model_file, plan_of, predicting, shaped
from fastgru.cli.table_arguments import add_reading
from fastgru.datasets import files

EXAMPLE = "fastgru predict digits.keras x.npy --out answers.npy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", **MODEL)
    parser.add_argument("input", metavar="INPUT", help="*.npy with one array of samples, or a table of a model of one")
    parser.add_argument(
        "-o", "--out", metavar="OUT", required=True, type=file_named(".npy", ".csv"), help="*.npy, or *.csv of a table"
    )
    add_batch_size(parser)
    add_running(parser)
    add_reading(parser)


def _is_of_samples(name: str, model: Any) -> bool:
    """Whether a file is an array of samples as the model takes them, and no table."""
    if Path(name).suffix != ".npy":
        return False
    try:
        samples = np.load(name, mmap_mode="r", allow_pickle=False)
    except ValueError:
        return False
    return samples.dtype.names is None and samples.ndim == len(model.input_shape) > 2


def run(options: argparse.Namespace) -> None:
    from fastgru import atomic

    model = model_file(options.model)
    plan = plan_of(options)
    if plan is not None and not _is_of_samples(options.input, model):
        from fastgru.tables import reading, tasks, writing

        predict = predicting(model, options.batch_size, options.scale)
        answers = tasks.answer(reading.read(options.input, plan.wording), plan, predict)
        for note in answers.notes:
            print(f"Note: {note}.")
        print(f"Saved: {options.out}, {writing.write(answers, Path(options.out))}")
        return
    if Path(options.out).suffix == ".csv":
        raise ValueError(
            f"--out: {options.model} was not trained on a table, and its predictions go to a file named *.npy."
        )
    try:
        x = np.load(options.input, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{options.input} is not a numpy .npy file of numbers ({error}).") from None
    if not isinstance(x, np.ndarray):
        raise ValueError(f"{options.input} holds several arrays (.npz); expected one array (.npy).")
    x = shaped(files.scaled(x, options.scale), model)
    predictions = model.predict(x, batch_size=options.batch_size, verbose=0)
    if isinstance(predictions, list):
        raise ValueError(f"{options.model} has {len(predictions)} outputs; a .npy file holds one.")
    buffer = io.BytesIO()
    np.save(buffer, predictions)
    atomic.write(Path(options.out), buffer.getbuffer())
    print(f"Saved: {options.out}, {predictions.shape} {predictions.dtype}")
