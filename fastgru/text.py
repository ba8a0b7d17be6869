"""Texts that are shown to people."""

from __future__ import annotations

import sys
import warnings

__all__ = ["notice", "printable"]


def printable(text: str) -> str:
    """A text as one line, in which nothing from a file steers a terminal: what is not printable is escaped."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def notice(message: str) -> None:
    """Warn, on behalf of the first caller outside the package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fastgru":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
