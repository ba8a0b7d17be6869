"""Automatic names, as Keras gives them."""

from __future__ import annotations

from fastgru import registry

_counts: dict[str, int] = {}


def unique_name(class_name: str) -> str:
    """Keras's automatic name: ``gru``, ``gru_1``, ... in the order of creation."""
    stem = registry.snake_case(class_name)
    count = _counts.get(stem, 0)
    _counts[stem] = count + 1
    return f"{stem}_{count}" if count else stem


def forget_names() -> None:
    """Let the automatic names start anew (Keras's `clear_session`)."""
    _counts.clear()
