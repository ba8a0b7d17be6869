"""The confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fastgru.pages.colors import color_bar, color_map, shades
from fastgru.pages.heat import heat_map
from fastgru.pages.markup import Markup, element
from fastgru.pages.numbers import number

__all__ = ["confusion_matrix"]

READABLE = 30  # classes, above which numbers would be too many to be read
LIGHT_ENOUGH = 140  # of the 256 colours, from which on dark text reads better than light


def confusion_matrix(counts: npt.ArrayLike, names: Sequence[str] = (), *, title: str = "Confusion matrix") -> Markup:
    """How many samples of each class (a row) were taken for each class (a column), coloured by the share of the row.

    Parameters
    ----------
    counts : (C, C) array_like
    names : C str
        Of the classes; else their numbers.
    title : str

    Raises
    ------
    ValueError
        The counts are not square, or there are not as many names.
    """
    array = np.asarray(counts)
    names = names or [*map(str, range(len(array)))]
    if array.shape != (len(names), len(names)):
        raise ValueError(f"confusion_matrix: expected counts of {len(names)} by as many classes, got {array.shape}.")
    shares = array / np.maximum(array.sum(axis=1, keepdims=True), 1)
    if len(names) > READABLE:
        return heat_map(
            shares,
            title=title,
            x_label="predicted",
            y_label="truth",
            low=0,
            high=1,
            row_names=names,
            column_names=names,
            height=480,
        )
    colors = shades(shares, 0, 1)
    head = element("tr", element("th", "truth ↓ predicted →"), [element("th", name, scope="col") for name in names])
    body = []
    for name, row, row_colors in zip(names, array, colors, strict=True):
        cells = [_cell(count, color) for count, color in zip(row, row_colors, strict=True)]
        body.append(element("tr", element("th", name, scope="row"), cells))
    unit = element("span", "\N{NO-BREAK SPACE}of the row", class_="legend")
    caption = element("caption", title, " ", color_bar(0, 1), unit)
    whole = element("table", caption, element("thead", head), element("tbody", body), class_="confusion")
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=title)


def _cell(count: float, color: int) -> Markup:
    red, green, blue = color_map()[color]
    text = "#111" if color >= LIGHT_ENOUGH else "#fff"
    return element("td", number(float(count)), style=f"background:rgb({red} {green} {blue});color:{text}")
