"""Names: those that Keras makes up for objects, its spelling of a class's name, and the nearest of several."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["forget_names", "nearest", "snake_case", "suggestion", "unique_name"]

_counts: dict[str, int] = {}


def snake_case(name: str) -> str:
    """Keras's lower-case form of a class name: ``glorot_uniform``, ``conv1d``, ``gru_cell``."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(class_name: str) -> str:
    """Keras's automatic name: ``gru``, ``gru_1``, ... in the order of creation."""
    stem = snake_case(class_name)
    count = _counts.get(stem, 0)
    _counts[stem] = count + 1
    return f"{stem}_{count}" if count else stem


def forget_names() -> None:
    """Let the automatic names start anew (Keras's `clear_session`)."""
    _counts.clear()


def nearest(name: object, choices: Iterable[str]) -> str | None:
    """The choice that is spelt most like a name, whatever the case; None where none is like it."""
    by_lower = {choice.lower(): choice for choice in sorted(choices, reverse=True)}
    import difflib  # for a name that is misspelt, which most programs have none of

    near = difflib.get_close_matches(str(name).lower(), sorted(by_lower), n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def suggestion(name: object, choices: Iterable[str]) -> str:
    """The end of an error sentence: the nearest of the choices, or all of them."""
    choices = sorted(choices)
    near = nearest(name, choices)
    return f"known: {', '.join(choices)}." if near is None else f"did you mean {near!r}?"
