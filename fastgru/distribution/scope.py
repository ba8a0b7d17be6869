"""The processes in force, and which of them this is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastgru.distribution.ranks import Ranks

__all__ = ["current", "enter", "first", "is_first", "rank", "size"]

_current: Ranks | None = None


def current() -> Ranks | None:
    """The processes of the scope in force; None where there is none, or but one process."""
    return _current


def rank() -> int:
    """The number of this process, from 0; 0 outside of a scope."""
    return 0 if _current is None else _current.rank


def size() -> int:
    """How many processes train together; 1 outside of a scope."""
    return 1 if _current is None else _current.size


def is_first() -> bool:
    """Whether this is the process that prints and writes files."""
    return rank() == 0


def first(value: Any) -> Any:
    """What the first process has for this value."""
    return value if _current is None else _current.first(value)


def enter(ranks: Ranks | None) -> Ranks | None:
    """Put a scope in force; returns the one that was."""
    global _current
    before, _current = _current, ranks
    return before
