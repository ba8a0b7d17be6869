"""Predictions as a file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from fastgru import atomic
from fastgru.tables.samples import Answers


def write(answers: Answers, path: Path) -> str:
    """A CSV of the columns, or an `.npy` of the array, by the ending of the name; what was written, in words."""
    if path.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, answers.array)
        atomic.write(path, buffer.getbuffer())
        return f"{answers.array.shape} {answers.array.dtype}"
    columns = {
        name: [f"{value:.7g}" for value in column.tolist()] if getattr(column, "dtype", None) == np.float32 else column
        for name, column in answers.columns.items()
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    atomic.write(path, text.getvalue().encode())
    return f"{len(next(iter(columns.values()))):,} rows of {', '.join([*columns][:6])}"
