"""The likeliest labels of a sequence, searched among beams of prefixes (Graves 2006; Hannun et al. 2014)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgru.types import Array

__all__ = ["search"]

Labels = tuple[int, ...]
_NEVER = -np.inf


class _Beams(NamedTuple):
    """Labels read so far, and the log p of reading them with the last step a label or a blank."""

    labels: list[Labels]
    on_label: Array
    on_blank: Array


def search(log_p: Array, blank: int, width: int, count: int) -> tuple[list[Labels], Array]:
    """The `count` likeliest labels of steps (T, C), and the log p of each; there may be fewer."""
    beams = _Beams([()], np.full(1, _NEVER, log_p.dtype), np.zeros(1, log_p.dtype))
    for step in log_p:
        beams = _after(beams, step, blank, width)
    total = np.logaddexp(beams.on_label, beams.on_blank)
    best = np.argsort(-total, kind="stable")[:count]
    return [beams.labels[index] for index in best], total[best]


def _after(beams: _Beams, log_p: Array, blank: int, width: int) -> _Beams:
    """The `width` likeliest beams behind one step more, whose classes have these log p."""
    labels, on_label, on_blank = beams
    total = np.logaddexp(on_label, on_blank)
    place = {one: index for index, one in enumerate(labels)}
    longer = total[:, np.newaxis] + log_p  # by a label each
    longer[:, blank] = _NEVER
    same_label = np.full(len(labels), _NEVER, log_p.dtype)
    for index, one in enumerate(labels):
        if one:
            same_label[index] = on_label[index] + log_p[one[-1]]
            longer[index, one[-1]] = on_blank[index] + log_p[one[-1]]  # a label twice has a blank between
    for index, one in enumerate(labels):
        shorter = place.get(one[:-1]) if one else None
        if shorter is not None:  # which comes to the same labels
            same_label[index] = np.logaddexp(same_label[index], longer[shorter, one[-1]])
            longer[shorter, one[-1]] = _NEVER
    same_blank = total + log_p[blank]
    scores = np.concatenate([np.logaddexp(same_label, same_blank), longer.ravel()])
    best = np.argsort(-scores, kind="stable")[:width]
    best = best[scores[best] > _NEVER]
    n, classes = len(labels), len(log_p)
    is_same = best < n
    before = np.where(is_same, best, (best - n) // classes)
    read = [
        labels[index] if same else (*labels[index], int((one - n) % classes))
        for one, index, same in zip(best, before, is_same, strict=True)
    ]
    return _Beams(
        read,
        np.where(is_same, same_label[before], scores[best]),
        np.where(is_same, same_blank[before], _NEVER),
    )
