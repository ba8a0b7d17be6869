"""Line charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import numpy.typing as npt

from fastgru.pages.colors import SERIES
from fastgru.pages.markup import Markup, element
from fastgru.pages.numbers import number
from fastgru.pages.plot_area import PlotArea, figure
from fastgru.types import Array

__all__ = ["legend", "line_chart"]

HEADROOM = 0.05  # of the range of values, above and below them


def line_chart(
    series: Mapping[str, npt.ArrayLike],
    *,
    title: str,
    x: npt.ArrayLike | None = None,
    x_label: str = "",
    y_label: str = "",
    y_range: tuple[float, float] | None = None,
    description: str = "",
    width: int = 480,
    height: int = 260,
) -> Markup:
    """One line for each series, over the same x.

    Parameters
    ----------
    series : mapping of name to (N,) array_like
        A value that is no number leaves a gap.
    title : str
    x : (N,) array_like, optional
        Numbers, or texts and times that name the points; 0, 1, ... where absent.
    x_label, y_label : str
        What the axes show, with its unit.
    y_range : (float, float), optional
        The y axis from and to; else what the values need.
    description : str
        Instead of the numbers, for those who do not see them.
    width, height : int
        Of the drawing, which is scaled to the page.

    Raises
    ------
    ValueError
        There is no series, or one is not as long as x.
    """
    lines = {name: np.asarray(values, np.float64).ravel() for name, values in series.items()}
    count = max((len(line) for line in lines.values()), default=0)
    points = np.arange(count) if x is None else np.asarray(x)
    if not count or any(len(line) != len(points) for line in lines.values()):
        lengths = {name: len(line) for name, line in lines.items()}
        raise ValueError(f"line_chart: expected series as long as x ({len(points)}), got lengths {lengths}.")
    names = [] if points.dtype.kind in "iufb" else [*map(str, points.tolist() if points.dtype.kind == "O" else points)]
    places = np.arange(count, dtype=np.float64) if names else points.astype(np.float64)
    low, high = _range(np.concatenate([*lines.values()])) if y_range is None else y_range
    right = places[-1] if places[-1] > places[0] else places[0] + 1
    area = PlotArea((float(places[0]), float(right)), (low, high), width, height)
    marks = [_line(area, places, line, index) for index, line in enumerate(lines.values())]
    said = f"{title}. " + "; ".join(f"{name}: {_said(line)}" for name, line in lines.items())
    whole_numbers = _whole(places) if not names else None
    axes = area.y_axis(y_label), area.x_axis(x_label, names, whole_numbers)
    return figure(title, area.drawing(description or said, *axes, *marks), legend(list(lines)))


def legend(names: Sequence[str]) -> Markup | None:
    """What the line of each series looks like; None for a single one."""
    if len(names) < 2:
        return None
    keys = []
    for name, (color, dashes) in zip(names, cycle(SERIES), strict=False):
        stroke = element("line", x1=0, x2=26, y1=5, y2=5, style=f"stroke:var({color})", stroke_dasharray=dashes or None)
        key = element("svg", stroke, class_="key", viewBox="0 0 26 10", aria_hidden="true")
        keys.append(element("span", key, name))
    return element("span", keys, class_="legend")


def _whole(places: Array) -> list[float] | None:
    """The points themselves as ticks where they are few whole numbers: no tick at 2.5 epochs."""
    few = len(places) <= 6 and bool((places == np.rint(places)).all())
    return [*map(float, places)] if few else None


def _range(values: Array) -> tuple[float, float]:
    """The values' range with some room, from zero where they come near it."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    spread = (high - low) or abs(high) or 1.0
    bottom = 0.0 if 0 <= low < spread / 2 else low - HEADROOM * spread
    return bottom, high + HEADROOM * spread


def _line(area: PlotArea, places: Array, line: Array, index: int) -> Markup:
    color, dashes = SERIES[index % len(SERIES)]
    finite = np.isfinite(line)
    pieces = np.split(np.arange(len(line)), np.flatnonzero(~finite))  # each but the first begins with the gap
    path = [
        "M" + "L".join(f"{area.x(places[at]):.1f} {area.y(line[at]):.1f}" for at in piece) + "h0" * (len(piece) == 1)
        for piece in (piece[finite[piece]] for piece in pieces)
        if piece.size  # "h0": a single point is drawn by the round end of a line
    ]
    style = f"stroke:var({color})" + (";stroke-width:6" if finite.sum() == 1 else "")
    return element("path", d="".join(path), class_="line", style=style, stroke_dasharray=dashes or None)


def _said(line: Array) -> str:
    finite = line[np.isfinite(line)]
    if not finite.size:
        return "no numbers"
    return (
        f"{number(finite[0])} at first, {number(finite[-1])} at last, "
        f"from {number(finite.min())} to {number(finite.max())}"
    )
