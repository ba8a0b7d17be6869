"""Texts as the layers take them: in lists and numpy's arrays of any kind, and inside as UTF-8, as TensorFlow has them.

A letter, a space and a hash are then those of TensorFlow: only ASCII is lowered, stripped and split.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastgru.types import Array

__all__ = ["encoded_texts", "ngrams", "split_texts", "standardized_texts", "text_array"]

KINDS = "UOST"  # of numpy's dtypes that hold texts
LOWERED = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())
PUNCTUATION = string.punctuation.encode()
END = b"\0"  # between texts that are changed all at once


def text_array(x: Any, where: str) -> Array:
    """Texts as an array; a ValueError that begins with `where` for anything else."""
    array = np.array(x, dtype=object) if isinstance(x, (str, bytes, list, tuple)) else np.asarray(x)
    if array.dtype.kind not in KINDS:
        raise ValueError(f"{where}: expected strings, got {type(x).__name__} of dtype {array.dtype}.")
    return array


def encoded_texts(array: Array, where: str) -> list[bytes]:
    """All texts of an array in a row, as UTF-8."""
    texts = array.ravel().tolist()
    try:
        return [text if isinstance(text, bytes) else text.encode() for text in texts]
    except (AttributeError, UnicodeEncodeError):
        strange = next(text for text in texts if not isinstance(text, (str, bytes)) or not _is_unicode(text))
        raise ValueError(
            f"{where}: expected strings, got {strange!r}; a list of lists of one length goes in as it is, "
            "texts of several lines or words as one string each."
        ) from None


def _is_unicode(text: str | bytes) -> bool:
    return isinstance(text, bytes) or not any("\ud800" <= one <= "\udfff" for one in text)


def standardized_texts(texts: Sequence[bytes], how: str | None) -> list[bytes]:
    """The texts lowered, without punctuation, or both."""
    if how is None:
        return list(texts)
    table = LOWERED if "lower" in how else None
    removed = PUNCTUATION if "strip" in how else b""
    changed = END.join(texts).translate(table, removed).split(END)
    if len(changed) == len(texts):
        return changed
    return [text.translate(table, removed) for text in texts]


def split_texts(texts: Iterable[bytes], how: str) -> list[list[bytes]]:
    """The words, or the characters, of each text."""
    if how == "whitespace":
        return [text.split() for text in texts]
    return [[one.encode() for one in text.decode(errors="replace")] for text in texts]


def ngrams(tokens: list[bytes], widths: Sequence[int]) -> list[bytes]:
    """All runs of so many tokens, those of the first width first, joined by spaces."""
    return [b" ".join(tokens[start : start + width]) for width in widths for start in range(len(tokens) - width + 1)]
