"""What a model would have answered after each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.pages.explanation import leading
from fastgru.plot.drawing import BESIDE, axes_of, one_sample, style

__all__ = ["answers"]


def answers(
    predictions: npt.ArrayLike,
    labels: Sequence[str] | None = None,
    *,
    sample: int = 0,
    top: int = 5,
    ax: Any = None,
) -> Any:
    """The prediction after each step, with the steps that changed the answer.

    Parameters
    ----------
    predictions : (B, T, C) or (T, C) array_like
        ``model.predict_prefixes(x)``: of C classes, or of C numbers, which have no answer that could change.
    labels : C str, optional
        The classes or numbers; else their numbers.
    sample : int
        Which of a batch.
    top : int
        How many of the classes are drawn: first those that were the most probable at some step.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    array = one_sample(predictions, sample, "plot.answers", 2)
    names = [*map(str, range(array.shape[1]))] if labels is None else list(labels)
    is_classes = array.shape[1] > 1 and array.min() >= 0 and np.allclose(array.sum(axis=1), 1, atol=1e-3)
    ax = axes_of(ax)
    if is_classes:
        best = array.argmax(axis=1)
        drawn = leading(array, top)
        for step in [0, *np.flatnonzero(np.diff(best)) + 1]:
            ax.axvline(step, color="0.75", linewidth=0.8, zorder=0)
            ax.text(step, 1.04, names[best[step]], ha="center", fontsize="small", color="0.3")
    else:
        drawn = np.arange(array.shape[1])[:top]
    for index, column in enumerate(drawn):
        ax.plot(array[:, column], label=names[column], marker="." if len(array) < 60 else None, **style(index))
    if is_classes:
        ax.set(ylim=(0, 1.12), ylabel="probability")
    else:
        ax.set(ylabel="prediction")
    ax.set(xlabel="last step read", title="answer after each step")
    ax.legend(**BESIDE)
    return ax
