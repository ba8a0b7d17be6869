"""What charts share: the area between the axes, its ticks, and the figure around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastgru.pages.markup import Markup, element
from fastgru.pages.numbers import tick_labels, ticks

__all__ = ["PlotArea", "figure"]

TOP, RIGHT = 8, 14  # of an SVG's own units, in which text is 12 high and a digit 7 wide


@dataclass(frozen=True)
class PlotArea:
    """The area of a chart: where a value of either axis lies.

    Attributes
    ----------
    x_range, y_range : (float, float)
        The values at the left and right, and at the bottom and top; a y axis that grows downwards has the larger one
        first.
    width, height : int
        Of the whole drawing.
    left, bottom : int
        What ticks and labels take of it.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: int = 480
    height: int = 260
    left: int = 56
    bottom: int = 42

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def floor(self) -> int:
        return self.height - self.bottom

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.floor + (value - low) / (high - low) * (TOP - self.floor)

    def x_axis(self, label: str, names: Sequence[str] = (), at: Sequence[float] | None = None) -> list[Markup]:
        """Ticks below the area: at round numbers, or by name at 0, 1, ... of which as many are shown as fit."""
        places = list(ticks(*self.x_range) if at is None else at)
        texts = tick_labels(places)
        if names:
            fit = max(1, (self.right - self.left) // (8 * max(map(len, names)) + 16))
            places = [*map(float, range(0, len(names), -(-len(names) // fit)))]
            texts = [names[int(place)] for place in places]
        marks = []
        for place, text in zip(places, texts, strict=True):
            x = self.x(place)
            marks.append(element("line", x1=x, x2=x, y1=self.floor, y2=self.floor + 4, class_="axis"))
            # what is wide stays inside the drawing
            half = 4 * len(text)
            center = min(max(x, half), self.width - half)
            marks.append(element("text", text, x=center, y=self.floor + 17, class_="middle"))
        middle = (self.left + self.right) / 2
        return [*marks, element("text", label, x=middle, y=self.height - 6, class_="middle label")]

    def y_axis(
        self, label: str, names: Sequence[str] = (), at: Sequence[float] | None = None, grid: bool = True
    ) -> list[Markup]:
        """Ticks beside the area, with lines across it: at round numbers, or by name at 0, 1, ..."""
        places = list(ticks(min(self.y_range), max(self.y_range)) if at is None else at)
        texts = tick_labels(places)
        if names:
            every = -(-len(names) * 14 // (self.floor - TOP))
            places = [*map(float, range(0, len(names), every))]
            texts = [names[int(place)] for place in places]
        marks = []
        for place, text in zip(places, texts, strict=True):
            y = self.y(place)
            if grid:
                marks.append(element("line", x1=self.left, x2=self.right, y1=y, y2=y, class_="rule"))
            marks.append(element("text", text, x=self.left - 6, y=y + 4, class_="end"))
        middle = (TOP + self.floor) / 2
        turned = f"rotate(-90 12 {middle:g})"
        return [*marks, element("text", label, x=12, y=middle, transform=turned, class_="middle label")]

    def drawing(self, description: str, *marks: Any) -> Markup:
        """The SVG; ``data-area``, ``data-x`` and ``data-y`` tell a script where the area is and what is on it."""
        return element(
            "svg",
            marks,
            viewBox=f"0 0 {self.width} {self.height}",
            role="img",
            aria_label=description,
            data_area=f"{self.left} {TOP} {self.right} {self.floor}",
            data_x=f"{self.x_range[0]:g} {self.x_range[1]:g}",
            data_y=f"{self.y_range[0]:g} {self.y_range[1]:g}",
        )


def figure(title: Any, drawing: Markup, legend: Any = None, **attributes: Any) -> Markup:
    """A chart under its title."""
    caption = element("figcaption", element("strong", title), legend)
    return element("figure", caption, drawing, class_="chart", **attributes)
