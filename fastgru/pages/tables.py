"""Tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastgru.pages.markup import Markup, element
from fastgru.pages.numbers import number

__all__ = ["table"]


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> Markup:
    """A table whose first column names its rows.

    Parameters
    ----------
    header : sequence of str
        The names of the columns.
    rows : iterable of sequences
        Texts, `Markup`, numbers (in four digits) and None for an empty cell.
    title : str
        Its caption.
    """
    head = element("tr", [element("th", name, scope="col") for name in header])
    body = [element("tr", element("th", _shown(row[0]), scope="row"), [*map(_cell, row[1:])]) for row in rows]
    caption = element("caption", title) if title else None
    whole = element("table", caption, element("thead", head), element("tbody", body))
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=title or "table")


def _shown(value: Any) -> Any:
    numeric = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return number(float(value)) if numeric else value


def _cell(value: Any) -> Markup:
    shown = _shown(value)
    return element("td", shown, class_=None if shown is value else "number")
