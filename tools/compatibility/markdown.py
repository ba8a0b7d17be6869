"""Markdown, and the templates that the page is made of."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/compatibility.md"


class Template(string.Template):
    """A Markdown file beside this one with `$name` or `${group.name}` in the places of what is filled in."""

    idpattern = r"[a-zA-Z_]\w*(?:\.\w+)*"

    def __init__(self, name: str) -> None:
        super().__init__(Path(__file__).with_name(name).read_text())


def rows(cells: Iterable[Sequence[str]]) -> str:
    """Lines of a table."""
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)


def code(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)
