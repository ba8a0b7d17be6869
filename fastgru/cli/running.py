"""What the commands that run a model share."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import threads
from fastgru.types import Array

# Samples computed at once where nothing is learned.
BATCH_SIZE = 256


def model_file(path: str) -> Any:
    from fastgru import models

    return models.load_model(path)


def thread_count() -> str:
    count = threads.get_num_threads()
    return f"{count} thread{'s' * (count > 1)}"


def shaped(x: Array, model: Any) -> Array:
    """`x` with the axis of one feature that `files.sequences` gave the model in training."""
    shape = model.input_shape
    return x[..., np.newaxis] if shape[-1] == 1 and x.ndim == len(shape) - 1 else x
