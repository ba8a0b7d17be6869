"""How the rows and steps of a batch lie in PyTorch's tensors, and which rows run together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from fastgru.torch.arrays import array_of
from fastgru.types import Array

__all__ = ["Dense", "Group", "Packed", "layout_of"]

GROUP_ROWS = 8  # that the rows of a group are a multiple of: fewer do not fill the kernels' tiles
MOST_GROUPS = 16  # that are considered
STEP_ROWS = 8  # that a step of a group costs besides its rows: its weights come from memory once more


class Group(NamedTuple):
    """Rows that run together: a slice of the batch, with a mask (B, T) where not all of them have all steps."""

    rows: slice
    mask: Array | None
    steps: Any = None  # of a packed sequence: where the steps (B, T) stand in it, as an int64 tensor


class Dense:
    """A tensor (B, T, ...)."""

    groups = (Group(slice(None), None),)

    def group_of(self, group: Group, x: Any) -> Array:
        """What the rows of a group are in a tensor, (B, T, ...) and C-contiguous."""
        return array_of(x)

    def merged(self, parts: list[list[Array]]) -> Any:
        """A tensor of what there is of each group: an array (B, T, n) of each direction, its steps in their order."""
        [directions] = parts
        if len(directions) == 1:
            return torch.from_numpy(np.ascontiguousarray(directions[0]))
        return torch.from_numpy(np.concatenate(directions, axis=-1))


class Packed:
    """The data (N, ...) of a PackedSequence: the first step of all rows, then the second of those that have one.

    Its rows are sorted, the longest first. Neighbours of about one length run together, so that hardly a step is
    computed that is not there.
    """

    def __init__(self, batch_sizes: Any) -> None:
        sizes = batch_sizes.numpy()
        lengths = (sizes[:, None] > np.arange(sizes[0])).sum(axis=0)
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        self._size = int(sizes.sum())
        self.groups = tuple(_group(lengths, starts, *ends) for ends in group_ends(lengths))

    def group_of(self, group: Group, x: Any) -> Array:
        """What the rows of a group are in a tensor; steps that a row has not hold those of another."""
        rows = x.detach().index_select(0, group.steps.flatten())
        return array_of(rows.view(*group.steps.shape, *x.shape[1:]))

    def merged(self, parts: list[list[Array]]) -> Any:
        columns = sum(part.shape[-1] for part in parts[0])
        out = np.empty((self._size, columns), parts[0][0].dtype)
        for group, directions in zip(self.groups, parts, strict=True):
            begin, steps = 0, group.steps.numpy()
            for part in directions:
                columns = slice(begin, begin + part.shape[-1])
                if group.mask is None:
                    out[steps, columns] = part
                else:
                    out[steps[group.mask], columns] = part[group.mask]
                begin = columns.stop
        return torch.from_numpy(out)


def _group(lengths: Array, starts: Array, first: int, end: int) -> Group:
    longest = lengths[first]
    mask = np.arange(longest) < lengths[first:end, None]
    steps = np.where(mask, starts[:longest] + np.arange(first, end)[:, None], 0)
    return Group(slice(first, end), None if mask.all() else mask, torch.from_numpy(steps))


def group_ends(lengths: Array) -> list[tuple[int, int]]:
    """Rows, sorted by falling lengths, cut into groups so that they cost least: (rows + STEP_ROWS) steps each."""
    count = len(lengths)
    step = max(GROUP_ROWS, -(-count // MOST_GROUPS))
    ends = [*range(step, count, step), count]
    best: dict[int, tuple[int, int]] = {0: (0, 0)}  # of the rows before an end: the least cost, the last group's begin
    for end in ends:
        best[end] = min(
            (cost + (end - begin + STEP_ROWS) * int(lengths[begin]), begin) for begin, (cost, _) in best.items()
        )
    groups = []
    while count:
        begin = best[count][1]
        groups.append((begin, count))
        count = begin
    return groups[::-1]


def layout_of(batch_sizes: Any) -> Dense | Packed:
    return Dense() if batch_sizes is None else Packed(batch_sizes)
