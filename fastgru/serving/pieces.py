"""A message of many steps in pieces, between which other connections get theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastgru.layers.core.embedding import Embedding
from fastgru.layers.layer import Layer
from fastgru.serving.refusal import Refusal
from fastgru.streaming.plan import Plan
from fastgru.types import Array

__all__ = ["STEPS", "pieces"]

STEPS = 4096  # of sessions, that run together
PRODUCTS = 1 << 25  # of a piece, by weights: some milliseconds


def pieces(plan: Plan, data: Array) -> list[Array]:
    """Data (k, n, ...) for n steps of k sessions, cut along the steps.

    It stays whole where a later piece could be refused when the first has changed the sessions: word ids that come to a
    layer from other layers. Of words that a layer does not know, a step with some of them, which it refuses, is all.

    Raises
    ------
    Refusal
        It stays whole, and is more than runs together.
    """
    count, steps = data.shape[:2]
    is_whole = False
    for entry in plan.entries:
        for layer in _layers(entry.layer):
            if isinstance(layer, Embedding) and entry.inputs == (0,):
                if (step := _unknown_step(layer, data)) is not None:
                    return [data[:, step : step + 1]]
            elif layer.takes_tokens:
                is_whole = True
    if is_whole and count * steps > STEPS:
        raise Refusal(
            413,
            f"step: the model looks words up that come from other layers, and takes {STEPS:,} steps of sessions in a "
            f"message, got {count * steps:,}; send fewer at a time.",
        )
    if is_whole:
        return [data]
    products = count * sum(_weights(entry.layer) for entry in plan.entries)
    size = max(1, min(STEPS // max(1, count), PRODUCTS // max(1, products)))
    return [data[:, start : start + size] for start in range(0, steps, size)]


def _unknown_step(layer: Any, words: Array) -> int | None:
    """The first step in which a word is none of a layer's; None where there is none."""
    if words.size == 0 or (words.dtype.kind in "iu" and words.min() >= 0 and words.max() < layer.input_dim):
        return None
    with np.errstate(invalid="ignore"):
        is_unknown = (words < 0) | (words >= layer.input_dim) | (words % 1 != 0)
    steps = is_unknown.any(axis=(0, *range(2, words.ndim)))
    return int(steps.argmax()) if steps.any() else None


def _layers(layer: Layer) -> Iterator[Layer]:
    yield layer
    for inner in layer.sublayers:
        yield from _layers(inner)


def _weights(layer: Layer) -> int:
    """Those that a step multiplies by: not those of which it looks some up."""
    return 0 if any(one.takes_tokens for one in _layers(layer)) else int(layer.count_params())
