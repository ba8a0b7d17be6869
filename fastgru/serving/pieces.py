"""A message of many steps in pieces, between which other connections get theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastgru.layers.core.embedding import Embedding
from fastgru.layers.layer import Layer
from fastgru.streaming.plan import Plan
from fastgru.types import Array

__all__ = ["STEPS", "pieces"]

STEPS = 4096  # of sessions, that run together
PRODUCTS = 1 << 25  # of a piece, by weights: some milliseconds


def pieces(plan: Plan, data: Array) -> list[Array]:
    """Data (k, n, ...) for n steps of k sessions, cut along the steps.

    It stays whole where a later piece could be refused when the first has changed the sessions: word ids that a layer
    does not know, or that come to it from other layers.
    """
    for entry in plan.entries:
        for layer in _layers(entry.layer):
            is_known = isinstance(layer, Embedding) and entry.inputs == (0,) and _knows(layer, data)
            if layer.takes_tokens and not is_known:
                return [data]
    count, steps = data.shape[:2]
    products = count * sum(_weights(entry.layer) for entry in plan.entries)
    size = max(1, min(STEPS // max(1, count), PRODUCTS // max(1, products)))
    return [data[:, start : start + size] for start in range(0, steps, size)]


def _knows(layer: Any, words: Array) -> bool:
    return bool(words.size == 0 or (words.min() >= 0 and words.max() < layer.input_dim))


def _layers(layer: Layer) -> Iterator[Layer]:
    yield layer
    for inner in layer.sublayers:
        yield from _layers(inner)


def _weights(layer: Layer) -> int:
    """Those that a step multiplies by: not those of which it looks some up."""
    return 0 if any(one.takes_tokens for one in _layers(layer)) else int(layer.count_params())
