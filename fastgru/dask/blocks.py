"""What a worker does with one block."""

from __future__ import annotations

from typing import Any

from fastgru import threads
from fastgru.models import Model

__all__ = ["answer"]


def answer(inputs: Any, model: Model, batch_size: int | None, num_threads: int) -> Any:
    """The model's answers to one block, by so many threads."""
    with threads.limited_to(num_threads):
        return model.predict(inputs, batch_size=batch_size, verbose=0)
