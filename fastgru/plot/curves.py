"""Learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastgru.plot.drawing import axes_of, style

__all__ = ["history"]


def history(history: Any, names: Sequence[str] = ("loss",), *, ax: Any = None) -> Any:
    """Losses or metrics over the epochs, on the training data and, dashed, on those of the validation.

    Parameters
    ----------
    history : History or mapping of str to list of float
        What `fit` returned, or its ``history``.
    names : sequence of str
        Which; those of the validation (``val_loss``) come with them.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        The history has no such name.
    """
    curves = getattr(history, "history", history)
    first = getattr(history, "epoch", None) or range(len(next(iter(curves.values()), ())))
    epochs = [epoch + 1 for epoch in first]
    ax = axes_of(ax)
    from matplotlib.ticker import MaxNLocator  # behind what says that matplotlib is missing

    for index, name in enumerate(names):
        if name not in curves:
            raise ValueError(f"plot.history: the history has no {name!r}, but {', '.join(curves)}.")
        ax.plot(epochs, curves[name], label=name, **{**style(index), "linestyle": "-"})
        if f"val_{name}" in curves:
            ax.plot(epochs, curves[f"val_{name}"], label=f"val_{name}", **{**style(index), "linestyle": "--"})
    ax.set(xlabel="epoch", ylabel=names[0] if len(names) == 1 else "value", title="learning curves")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="y", color="0.9")
    ax.legend(frameon=False)
    return ax
