"""Docstrings in the form that napoleon reads as they are meant."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

SEVERAL = re.compile(r"(\w+(?:, \w+)+)( : .*)?")  # names, and the type that they have in common


def mend(app: Sphinx, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """In place: a colon in a property's first line ends no type, and each of several attributes is one."""
    if what in ("property", "attribute") and lines:
        lines[0] = lines[0].replace(": ", " \N{EN DASH} ")
    if "Attributes" in lines and what == "class":
        start = lines.index("Attributes") + 2
        mended: list[str] = []
        for index, line in enumerate(lines[start:], start):
            if several := SEVERAL.fullmatch(line):
                end = next((at for at in range(index + 1, len(lines)) if not lines[at].startswith(" ")), len(lines))
                *others, last = [f"{attribute}{several[2] or ''}" for attribute in several[1].split(", ")]
                for attribute in others:
                    mended += [attribute, *lines[index + 1 : end]]
                line = last
            mended.append(line)
        lines[start:] = mended


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", mend, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
