"""Cells of one's own, run step by step in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastgru import tree
from fastgru.layers.layer import Layer
from fastgru.ops import creation, indexing, shaping

__all__ = ["initial_state", "output_size", "run_cells"]


def run_cells(
    cells: Sequence[Any], x: Any, states: list[Any], mask: Any, training: bool, backwards: bool, zero_masked: bool
) -> tuple[list[Any], Any, list[Any]]:
    """Run cells, each on the output of the one before, over sequences.

    Parameters
    ----------
    cells : sequence
    x : (B, T, ...) Tensor
    states : list
        At the start: those of the only cell, or a list for each of several.
    mask : (B, T) bool array or None
        Where it is False, a step leaves the states as they are and puts out what the one before did.
    training : bool
    backwards : bool
        Whether the last step comes first.
    zero_masked : bool
        Whether masked steps put out zeros.

    Returns
    -------
    The outputs of the steps as they came, the last one, and the last states.
    """
    steps = shaping.unstack(x, axis=1)
    columns = None if mask is None else shaping.unstack(mask, axis=1)
    outputs: list[Any] = []
    last: Any = None
    for step in reversed(range(len(steps))) if backwards else range(len(steps)):
        y, new = _step(cells, steps[step], states, training)
        shown = y
        if columns is not None:
            counts, zeros = columns[step], creation.zeros_like(y)
            y = _where(counts, y, zeros if last is None else last)
            shown = _where(counts, y, zeros) if zero_masked else y
            pairs = zip(tree.flatten(new), tree.flatten(states), strict=True)
            new = tree.pack_sequence_as(new, [_where(counts, now, before) for now, before in pairs])
        outputs.append(shown)
        last, states = y, new
    return outputs, last, states


def _where(counts: Any, x: Any, other: Any) -> Any:
    """Of each row `x` where it counts, else `other`."""
    return indexing.where(shaping.reshape(counts, (-1, *[1] * (x.ndim - 1))), x, other)


def _step(cells: Sequence[Any], x: Any, states: list[Any], training: bool) -> tuple[Any, list[Any]]:
    """One step of all cells."""
    if len(cells) == 1:
        y, state = _run(cells[0], x, states, training)
        return y, list(state) if isinstance(state, (list, tuple)) else [state]
    new = []
    for cell, own in zip(cells, states, strict=True):
        x, state = _run(cell, x, own if isinstance(own, (list, tuple)) else [own], training)
        new.append(state)
    return x, new


def _run(cell: Any, x: Any, states: Any, training: bool) -> tuple[Any, Any]:
    """Output and new states, as the cell returns them: a state by itself, or several in a list."""
    y, new = cell(x, states, training=training) if isinstance(cell, Layer) else cell.call(x, states)
    return y, new


def output_size(cell: Any) -> Any:
    """The size of a cell's output: that of its first state where it does not say it."""
    size = getattr(cell, "output_size", None)
    return tree.flatten(cell.state_size)[0] if size is None else size


def initial_state(cell: Any, batch_size: int, dtype: str) -> list[Any]:
    """The states of a cell at the start: those that it makes, else zeros."""
    make = getattr(cell, "get_initial_state", None)
    if make is None:
        return [creation.zeros((batch_size, size), dtype) for size in tree.flatten(cell.state_size)]
    states = make(batch_size=batch_size)
    return list(states) if isinstance(states, (list, tuple)) else [states]
