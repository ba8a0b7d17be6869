"""The confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.plot.drawing import axes_of, image
from fastgru.types import Array

__all__ = ["confusion_matrix"]

READABLE = 20  # classes, above which the counts would be too many to be read


def confusion_matrix(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, labels: Sequence[str] | None = None, *, ax: Any = None
) -> Any:
    """How many samples of each class (a row) were taken for each class (a column), coloured by the share of the row.

    Parameters
    ----------
    y_true, y_pred : (N,) or (N, C) array_like
        Numbers of classes, or a number for each class of which the highest counts, as `predict` returns them.
    labels : C str, optional
        The classes; else their numbers.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        The two are not of as many samples, or a class has no label.
    """
    truth, predicted = _classes(y_true), _classes(y_pred)
    if truth.shape != predicted.shape or not truth.size:
        raise ValueError(
            f"plot.confusion_matrix: expected as many labels as predictions, got {len(truth)} and {len(predicted)}."
        )
    count = (
        max(
            int(truth.max()),
            int(predicted.max()),
            *(np.shape(y)[-1] - 1 for y in (y_true, y_pred) if np.ndim(y) == 2),
            0,
        )
        + 1
    )
    names = [*map(str, range(count))] if labels is None else list(labels)
    if len(names) < count:
        raise ValueError(f"plot.confusion_matrix: expected labels for {count} classes, got {len(names)}.")
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (truth, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 0.45 * len(names) + 1.5)
    ax = axes_of(ax, width=side + 0.8, height=side)
    image(ax, shares, 0, 1, "predicted", "truth", "share of the row")
    ax.set_title("confusion matrix")
    if len(names) <= READABLE:
        ax.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 3 else 0)
        ax.set_yticks(range(len(names)), names)
        for (row, column), number in np.ndenumerate(counts):
            shade = "black" if shares[row, column] > 0.55 else "white"
            ax.text(column, row, str(number), ha="center", va="center", fontsize="small", color=shade)
    return ax


def _classes(y: npt.ArrayLike) -> Array:
    array = np.asarray(y)
    return array.argmax(axis=1) if array.ndim == 2 and array.shape[1] > 1 else array.ravel().astype(int)
