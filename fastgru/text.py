"""Texts that are shown to people: on one line, harmless to a terminal, short enough to be read."""

from __future__ import annotations

__all__ = ["printable", "shown"]

MAX_SENTENCE = 2000


def printable(text: str) -> str:
    """A text as one line, in which nothing from a file steers a terminal: what is not printable is escaped."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def shown(text: str) -> str:
    """`printable`, with the middle left out of what is too long to be read."""
    text = printable(text)
    if len(text) <= MAX_SENTENCE:
        return text
    half = MAX_SENTENCE // 2
    return f"{text[:half]} [...] {text[-half:]}"
