"""Bar charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fastgru.pages.colors import SERIES
from fastgru.pages.lines import legend
from fastgru.pages.markup import Markup, element
from fastgru.pages.numbers import number
from fastgru.pages.plot_area import PlotArea, figure

__all__ = ["bar_chart"]

ROW = 18  # the height of a bar


def bar_chart(
    series: Mapping[str, npt.ArrayLike], labels: Sequence[str], *, title: str, x_label: str = "", width: int = 480
) -> Markup:
    """Bars from left to right, for each label one of each series, with their values.

    Parameters
    ----------
    series : mapping of name to (N,) array_like
    labels : N str
    title : str
    x_label : str
        What the values are, with their unit.
    width : int
        Of the drawing, which is scaled to the page.

    Raises
    ------
    ValueError
        There is no label, or a series has not as many values.
    """
    values = {name: np.nan_to_num(np.asarray(numbers, np.float64)) for name, numbers in series.items()}
    if not labels or not values or any(numbers.shape != (len(labels),) for numbers in values.values()):
        shapes = {name: numbers.shape for name, numbers in values.items()}
        raise ValueError(f"bar_chart: expected a value for each of {len(labels)} labels, got shapes {shapes}.")
    everything = np.concatenate([*values.values(), [0.0]])
    low, high = float(everything.min()), float(everything.max())
    spread = (high - low) or 1.0
    group = ROW * len(values) + 8
    left = min(width // 2, 8 * max(map(len, labels)) + 20)
    # the number behind a bar needs room that belongs to no value
    x_range = (low - 0.2 * spread * (low < 0), high + 0.2 * spread * (high > 0 or low == 0))
    area = PlotArea(x_range, (len(labels), 0), width, group * len(labels) + 50, left)
    marks = []
    for row, label in enumerate(labels):
        top = area.y(row) + 4
        middle = top + ROW * len(values) / 2 + 4
        marks.append(element("text", label, x=left - 6, y=middle, class_="end"))
        for index, numbers in enumerate(values.values()):
            marks += _bar(area, float(numbers[row]), top + index * ROW, SERIES[index % len(SERIES)][0])
    zero = element("line", x1=area.x(0), x2=area.x(0), y1=8, y2=area.floor, class_="axis")
    said = "; ".join(
        f"{label}: " + ", ".join(f"{name} {number(numbers[row])}" for name, numbers in values.items())
        for row, label in enumerate(labels)
    )
    drawing = area.drawing(f"{title}. {said}", marks, zero, area.x_axis(x_label))
    return figure(title, drawing, legend(list(values)))


def _bar(area: PlotArea, value: float, top: float, color: str) -> list[Markup]:
    start, end = sorted((area.x(0), area.x(value)))
    bar = element("rect", x=start, y=top + 1, width=end - start, height=ROW - 3, style=f"fill:var({color})")
    side, x = ("start", end + 5) if value >= 0 else ("end", start - 5)
    return [bar, element("text", number(value, 3), x=x, y=top + 13, class_=side)]
