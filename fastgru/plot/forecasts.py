"""Forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.plot.drawing import axes_of, style

__all__ = ["forecast"]


def forecast(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    past: npt.ArrayLike | None = None,
    time: npt.ArrayLike | None = None,
    unit: str = "",
    ax: Any = None,
) -> Any:
    """A forecast against what came.

    Parameters
    ----------
    truth, predicted : (N,) array_like
    past : (M,) array_like, optional
        What was known before, drawn to the left of them.
    time : (N,) or (M + N,) array_like, optional
        Numbers or times of the points; else steps from the first that is forecast.
    unit : str
        Of the values.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        The lengths do not go together.
    """
    came, expected = np.ravel(truth), np.ravel(predicted)
    before = np.ravel([] if past is None else past)
    places = np.arange(-len(before), len(came)) if time is None else np.asarray(time)
    if len(came) != len(expected) or len(places) != len(before) + len(came):
        raise ValueError(
            f"plot.forecast: expected as many predicted as true values and a time for each of these and the past, got "
            f"{len(expected)}, {len(came)}, {len(places)} and a past of {len(before)}."
        )
    ax = axes_of(ax, width=8.0)
    future = places[len(before) :]
    if len(before):
        ax.plot(places[: len(before) + 1], [*before, *came[:1]], color="0.55", linewidth=1.2, label="past")
        ax.axvline(future[0], color="0.8", linewidth=0.8, zorder=0)
    ax.plot(future, came, label="truth", **style(0))
    ax.plot(future, expected, label="forecast", **style(1))
    ax.set(xlabel="step" if time is None else "time", ylabel=unit or "value", title="forecast against truth")
    if places.dtype.kind == "M":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(maxticks=8)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    ax.grid(axis="y", color="0.92")
    ax.legend(frameon=False)
    return ax
