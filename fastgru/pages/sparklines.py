"""A line in a line of text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgru.pages.markup import Markup, element

__all__ = ["sparkline"]

WIDTH, HEIGHT = 120, 20
COLOR = "#0a67a8"  # said here and not in a style sheet: it also stands in notebooks


def sparkline(values: npt.ArrayLike) -> Markup:
    """How numbers went, as a small line without axes.

    Parameters
    ----------
    values : (N,) array_like
        What is no number is left out.
    """
    line = np.asarray(values, np.float64).ravel()
    places = np.flatnonzero(np.isfinite(line))
    line = line[places]
    if not line.size:
        return element("span", "no numbers")
    low, spread = line.min(), np.ptp(line) or 1.0
    x = 2 + (WIDTH - 4) * places / max(places[-1], 1)
    y = HEIGHT - 3 - (HEIGHT - 6) * (line - low) / spread
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    mark = element("polyline", points=points, fill="none", stroke=COLOR, stroke_width=1.5, stroke_linejoin="round")
    end = element("circle", cx=float(x[-1]), cy=float(y[-1]), r=2, fill=COLOR)
    said = f"from {line[0]:.4g} to {line[-1]:.4g}"
    return element("svg", mark, end, width=WIDTH, height=HEIGHT, role="img", aria_label=said)
