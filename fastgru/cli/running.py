"""What the commands that run a model share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fastgru import distribution, threads
from fastgru.types import Array

# Samples computed at once where nothing is learned.
BATCH_SIZE = 256


def model_file(path: str) -> Any:
    from fastgru import models

    return models.load_model(path)


def thread_count() -> str:
    count, processes = threads.get_num_threads(), distribution.size()
    return f"{processes} processes of " * (processes > 1) + f"{count} thread{'s' * (count > 1)}"


def shaped(x: Array, model: Any) -> Array:
    """`x` with the axis of one feature that `files.sequences` gave the model in training."""
    shape = model.input_shape
    return x[..., np.newaxis] if shape[-1] == 1 and x.ndim == len(shape) - 1 else x


def checked_out(name: str) -> Path:
    """Where a model is to be saved; ValueError where nothing can be written."""
    out = Path(name)
    if not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        raise ValueError(f"--out: expected a folder that can be written to, got {str(out.parent)!r}.")
    return out


def plan_of(options: argparse.Namespace) -> Any:
    """How the model of some options reads a table, with what the options say of it; None where it reads none."""
    from fastgru.tables import plan

    stored = plan.load(options.model)
    names = "gaps", "doubles", "decimal", "encoding"
    mendings = {name: value for name in names if (value := getattr(options, name)) is not None}
    if stored is None and mendings:
        name = next(iter(mendings))
        raise ValueError(f"--{name}: is for tables, and {options.model} was not trained on one.")
    return stored and replace(stored, **mendings)


def predicting(model: Any, batch_size: int, scale: float | None = None) -> Callable[[Any], Any]:
    """A model as a function of the samples of a table."""
    if scale is not None:
        raise ValueError("--scale: is for arrays of samples; the model scales the columns of a table by itself.")
    return partial(model.predict, batch_size=batch_size, verbose=0)
