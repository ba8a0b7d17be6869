"""What the pictures share: axes, colours and lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.types import Array

__all__ = ["BESIDE", "COLORS", "DASHES", "MAP", "axes_of", "image", "new_axes", "one_sample", "style"]

MAP = "cividis"
# of Okabe and Ito (2008), apart in every kind of colour vision
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#000000")
BESIDE: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "frameon": False}  # legends
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (1, 3)))


def new_axes(rows: int = 1, width: float = 6.4, height: float = 3.6, heights: Any = None) -> list[Any]:
    """The axes of a new figure, one above the other over one time; an ImportError that names the extra."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError(
            "fastgru.plot draws with matplotlib, which is not installed: pip install fastgru[plot]."
        ) from None
    options = {"figsize": (width, height), "layout": "constrained", "height_ratios": heights}
    _, axes = pyplot.subplots(rows, sharex=True, squeeze=False, **options)
    return [*axes[:, 0]]


def axes_of(ax: Any, **sizes: Any) -> Any:
    """The axes, or new ones."""
    return new_axes(**sizes)[0] if ax is None else ax


def style(index: int) -> dict[str, Any]:
    """How the index-th of several lines is drawn."""
    return {"color": COLORS[index % len(COLORS)], "linestyle": DASHES[index % len(DASHES)], "linewidth": 1.6}


def image(ax: Any, values: Array, low: float | None, high: float | None, x: str, y: str, bar: str) -> Any:
    """An array (rows, columns) as a heat map with labelled axes and a colour bar."""
    from matplotlib.ticker import MaxNLocator

    drawn = ax.imshow(values, aspect="auto", interpolation="nearest", cmap=MAP, vmin=low, vmax=high)
    ax.set(xlabel=x, ylabel=y)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True))
    ax.figure.colorbar(drawn, ax=ax, pad=0.02, label=bar)
    return ax


def one_sample(values: Any, sample: int, where: str, axes: int) -> Array:
    """The array of one sample: of a batch that with this number, else the array itself, which has so many axes."""
    array = np.asarray(values)
    if array.ndim == axes + 1:
        if not -len(array) <= sample < len(array):
            raise ValueError(f"{where}: there is no sample {sample} in a batch of {len(array)}.")
        return np.asarray(array[sample])
    if array.ndim != axes:
        raise ValueError(f"{where}: expected an array with {axes} axes, or {axes + 1} for a batch, got {array.shape}.")
    return array
