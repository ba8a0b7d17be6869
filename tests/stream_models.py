"""Models to stream, with random weights that differ for each gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from fastgru import Sequential
from fastgru.layers import Input
from fastgru.streaming import Sessions
from fastgru.types import Array

__all__ = ["answers_so_far", "assert_every_split_gives", "opened", "row_of", "with_weights"]


def with_weights(model: Any, seed: int = 3) -> Any:
    """The model with other numbers; variances stay above 0."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        numbers = rng.normal(size=weight.shape) * 0.4
        weight.assign(np.abs(numbers) + 0.1 if "variance" in weight.name else numbers)
    return model


def row_of(*layers: Callable[[], Any] | Any, shape: Sequence[int | None] = (None, 5), seed: int = 3) -> Any:
    return with_weights(Sequential([Input(tuple(shape)), *layers]), seed)


def answers_so_far(model: Any, x: Array) -> Array:
    """What `predict` answers to the first steps of x (B, T, ...), one more each time: (B, T, ...)."""
    answers = [model.predict(x[:, :stop], verbose=0) for stop in range(1, x.shape[1] + 1)]
    of_each_step = answers[-1].ndim > 2 and all(one.shape[1] == stop for stop, one in enumerate(answers, 1))
    return np.stack([one[:, -1] if of_each_step else one for one in answers], axis=1)


def assert_every_split_gives(expected: Array, model: Any, x: Array, rng: np.random.Generator) -> None:
    """The steps of x (B, T, ...), cut into pieces in all ways, are answered by these (B, T, ...), to the bit."""
    rows, steps = x.shape[:2]
    sessions = Sessions(model, rows + 3)
    ids = opened(sessions, rows)
    for cuts in product("-|", repeat=steps - 1):  # between two steps: one piece goes on, or another begins
        sessions.reset(ids)
        step = 0
        for piece in "".join(cuts).split("|"):
            stop = step + len(piece) + 1
            answers = _in_parts(sessions, ids, x[:, step:stop], rng)
            np.testing.assert_array_equal(answers, expected[:, step:stop], f"{cuts}, steps {step} to {stop}")
            step = stop


def _in_parts(sessions: Sessions, ids: Any, x: Array, rng: np.random.Generator) -> Array:
    """The answers to some steps, in an order and in calls by chance."""
    rows = len(ids)
    order, cut = rng.permutation(rows), rng.integers(0, rows + 1)
    is_single = x.shape[1] == 1
    parts = [sessions.step(ids[part], x[part, 0] if is_single else x[part]) for part in (order[:cut], order[cut:])]
    answers = np.concatenate(parts)
    answers[order] = answers.copy()
    return answers[:, None] if is_single else answers


def opened(sessions: Sessions, count: int) -> Array:
    return np.array([sessions.open() for _ in range(count)])
