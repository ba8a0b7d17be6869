"""Heat maps of gates over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.pages.explanation import value_range
from fastgru.plot.drawing import axes_of, image, new_axes, one_sample

__all__ = ["gate", "gates"]


def gate(
    values: npt.ArrayLike, name: str = "", *, sample: int = 0, mask: npt.ArrayLike | None = None, ax: Any = None
) -> Any:
    """A heat map of one gate or state: steps from left to right, units from top to bottom.

    Parameters
    ----------
    values : (B, T, H) or (T, H) array_like
    name : str
        As `gates` of a layer names it: the title, and it says whether colours go from 0 to 1 or lie around 0.
    sample : int
        Which of a batch.
    mask : (B, T) or (T,) bool array_like, optional
        Steps where it is False are left blank.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    array = one_sample(values, sample, "plot.gate", 2).astype(np.float64)
    if mask is not None:
        array[~one_sample(mask, sample, "plot.gate, mask", 1).astype(bool)] = np.nan
    low, high = value_range(array, name)
    ax = axes_of(ax)
    image(ax, array.T, low, high, "step", "unit", "")
    ax.set_title(name)
    return ax


def gates(
    gates: Mapping[str, Any],
    x: npt.ArrayLike | None = None,
    *,
    sample: int = 0,
    mask: npt.ArrayLike | None = None,
    axes: Sequence[Any] | None = None,
) -> list[Any]:
    """Heat maps of all gates of a layer over one time, below the input.

    Parameters
    ----------
    gates : mapping of str to (B, T, H) ndarray
        Of one layer: ``layer.gates(x)``, or an entry of ``model.explain(x)``; of both directions, or of several cells,
        one after the other.
    x : (B, T, F) or (T, F) array_like, optional
        What the layer read.
    sample : int
        Which of a batch.
    mask : (B, T) or (T,) bool array_like, optional
        Steps where it is False are left blank.
    axes : sequence of matplotlib Axes, optional
        As many as there are maps.

    Returns
    -------
    list of matplotlib Axes

    Raises
    ------
    ValueError
        There are not as many axes.
    """
    maps = _flat(gates, "")
    count = len(maps) + (x is not None)
    if axes is None:
        axes = new_axes(count, height=1.0 + 1.7 * count)
    if len(axes) != count:
        raise ValueError(f"plot.gates: expected {count} axes, one for each map, got {len(axes)}.")
    drawn = list(axes)
    if x is not None:
        image(drawn[0], one_sample(x, sample, "plot.gates, x", 2).T, None, None, "step", "feature", "")
        drawn[0].set_title("input")
    for ax, (name, values) in zip(drawn[count - len(maps) :], maps.items(), strict=True):
        gate(
            values,
            name.rpartition(" ")[2],
            sample=sample,
            mask=None if name.endswith(("state", "cell")) else mask,
            ax=ax,
        )
        ax.set_title(name)
    for ax in drawn[:-1]:
        ax.set_xlabel("")
    return drawn


def _flat(gates: Mapping[str, Any], before: str) -> dict[str, Any]:
    """The arrays in a nest of gates, by their names one after the other."""
    flat: dict[str, Any] = {}
    for name, values in gates.items():
        flat.update(_flat(values, f"{before}{name} ") if isinstance(values, Mapping) else {before + name: values})
    return flat
