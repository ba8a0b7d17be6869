"""Texts that are shown to people."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """A text as one line, in which nothing from a file steers a terminal: what is not printable is escaped."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
