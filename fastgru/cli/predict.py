"""Predictions of a saved model for an array in a .npy file."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np

from fastgru.cli.arguments import MODEL, add_batch_size, add_running, file_named
from fastgru.cli.running import model_file, shaped
from fastgru.datasets import files

EXAMPLE = "fastgru predict digits.keras x.npy --out answers.npy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", **MODEL)
    parser.add_argument("input", metavar="INPUT.npy", help="one array of samples")
    parser.add_argument(
        "-o", "--out", metavar="OUT.npy", required=True, type=file_named(".npy"), help="where the predictions go"
    )
    add_batch_size(parser)
    add_running(parser)


def run(options: argparse.Namespace) -> None:
    from fastgru import atomic

    model = model_file(options.model)
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
