"""The history of a unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgru.plot.drawing import BESIDE, axes_of, one_sample, style

__all__ = ["unit"]


def unit(gates: Mapping[str, Any], unit: int, *, sample: int = 0, ax: Any = None) -> Any:
    """The gates and states of one unit, step by step.

    Parameters
    ----------
    gates : mapping of str to (B, T, H) or (T, H) ndarray
        Of one layer and direction.
    unit : int
    sample : int
        Which of a batch.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        The layer has no such unit.
    """
    ax = axes_of(ax)
    for index, (name, values) in enumerate(gates.items()):
        array = one_sample(values, sample, f"plot.unit, {name}", 2)
        if not -array.shape[1] <= unit < array.shape[1]:
            raise ValueError(f"plot.unit: there is no unit {unit} in a layer of {array.shape[1]}.")
        last = {"linewidth": 2.4} if name == "state" else {}
        ax.plot(array[:, unit], label=name, **{**style(index), **last})
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.set(title=f"unit {unit}", xlabel="step", ylabel="value")
    ax.legend(**BESIDE)
    return ax
