"""Heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.pages.colors import color_bar, picture
from fastgru.pages.markup import Markup, element
from fastgru.pages.numbers import number, ticks
from fastgru.pages.plot_area import TOP, PlotArea, figure

__all__ = ["heat_map"]


def heat_map(
    values: npt.ArrayLike,
    *,
    title: Any,
    x_label: str = "",
    y_label: str = "",
    low: float | None = None,
    high: float | None = None,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    first: int = 0,
    description: str = "",
    width: int = 480,
    height: int = 260,
) -> Markup:
    """A colour for each value of an array, the first row at the top; dark is low, light high, NaN clear.

    Parameters
    ----------
    values : (rows, columns) array_like
    title : Markup, str or a list of them
    x_label, y_label : str
    low, high : float, optional
        The values of the darkest and of the lightest colour; the least and the greatest where absent.
    row_names, column_names : sequence of str
        Else their numbers.
    first : int
        The number of the first row and of the first column, where they have no names.
    description : str
        Instead of the numbers, for those who do not see them.
    width, height : int
        Of the drawing, which is scaled to the page.

    Raises
    ------
    ValueError
        The array has not two axes, or nothing is in it.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"heat_map: expected an array (rows, columns), got shape {array.shape}.")
    finite = array[np.isfinite(array)]
    low = float(finite.min(initial=0.0 if not finite.size else finite[0])) if low is None else low
    high = float(finite.max(initial=low)) if high is None else high
    rows, columns = array.shape
    left = min(width // 3, 8 * max(map(len, row_names)) + 30) if row_names else 56
    # a cell lies around its number
    edge = first - 0.5
    area = PlotArea((edge, columns + edge), (rows + edge, edge), width, height, left)
    cells = _cells(area, picture(array, low, high))
    said = f"{title}: {rows} by {columns} values from {number(low)} (dark) to {number(high)} (light)"
    y_axis = area.y_axis(y_label, row_names, _whole(*area.y_range), grid=False)
    axes = y_axis, area.x_axis(x_label, column_names, _whole(*area.x_range))
    return figure(title, area.drawing(description or said, cells, *axes), color_bar(low, high))


def _cells(area: PlotArea, address: str) -> Markup:
    """An image over the whole area."""
    width, height = area.right - area.left, area.floor - TOP
    place = {"x": area.left, "y": TOP, "width": width, "height": height}
    return element("image", href=address, **place, preserveAspectRatio="none", class_="cells")


def _whole(*edges: float) -> list[float]:
    """Where an axis of rows or columns has ticks."""
    return [place for place in ticks(min(edges), max(edges)) if float(place).is_integer()]
