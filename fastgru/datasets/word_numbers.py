"""Texts as lists of the numbers of their words: what Keras's IMDB and Reuters do with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from fastgru.types import Array

__all__ = ["limited", "numbered", "object_array", "shorter", "shuffled", "word_index"]

Texts = list[list[int]]


def shuffled(texts: Array, labels: Array, random: np.random.RandomState) -> tuple[Array, Array]:
    """Texts and labels in an order that is drawn as Keras draws it."""
    order = np.arange(len(texts))
    random.shuffle(order)
    return texts[order], labels[order]


def numbered(texts: Iterable[Sequence[int]], start_char: int | None, index_from: int) -> Texts:
    """The texts with the numbers of their words raised, behind a start."""
    start = [] if start_char is None else [start_char]
    return [start + [word + index_from for word in text] for text in texts]


def shorter(texts: Texts, labels: Array, maxlen: int | None) -> tuple[Texts, Array]:
    """The texts of fewer than `maxlen` words; all for None or 0."""
    if not maxlen:
        return texts, labels
    rows = [row for row, text in enumerate(texts) if len(text) < maxlen]
    return [texts[row] for row in rows], labels[rows]


def limited(texts: Texts, num_words: int | None, skip_top: int, oov_char: int | None) -> Texts:
    """The texts with `oov_char`, or with None nothing, in the place of words that are too rare or too frequent."""
    if not num_words:
        num_words = max(max(text) for text in texts)
    if oov_char is None:
        return [[word for word in text if skip_top <= word < num_words] for text in texts]
    return [[word if skip_top <= word < num_words else oov_char for word in text] for text in texts]


def object_array(texts: Texts) -> Array:
    """An (n,) array of the lists."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def word_index(file: Path) -> dict[str, int]:
    """The numbers of words in a JSON file."""
    try:
        words = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}); delete or replace it.") from None
    if not isinstance(words, dict):
        raise ValueError(f"{file} is no word index: expected a JSON object, got {type(words).__name__}.")
    return words
