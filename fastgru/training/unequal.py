"""Sequences of unequal length: which models take them, and what `predict` returns for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru.data import Evenly, PaddedColumn, Samples, Sequences, Source, StepsColumn
from fastgru.training.compilation import Compiled
from fastgru.training.predictions import Predictions
from fastgru.types import Array

Parts = tuple[Evenly | None, ...]


def check_model(model: Compiled, x: Sequences) -> None:
    """ValueError where steps behind a sequence's own, which a mask leaves out, change what the model makes of it.

    Which layers read a mask, and which of one's own do, is not asked but tried: on the shortest sequence, alone and
    beside the longest.
    """
    where = f"Model {model.name!r}: x holds nested lists of unequal lengths, and such sequences"
    if not model.takes_any and model.input_shape[1] is not None:
        raise ValueError(
            f"{where} go into a model that takes any number of steps; this one has the input shape {model.input_shape}."
        )
    shortest, longest = x.lengths.argmin(), x.lengths.argmax()
    both, alone = (_tried(model, x, rows) for rows in ([shortest, longest], [shortest]))
    if not all(map(_alike, both, alone)):
        raise ValueError(
            f"{where} are padded and masked, but a layer of this one reads padded steps as well; take layers that read "
            "masks and hand them on (an Embedding with mask_zero=True), or pad the sequences yourself."
        )


def lengths(sources: Sequence[Source]) -> Array | None:
    """Those of the sequences among the inputs; None where there are none."""
    return next((x.lengths for x in sources if isinstance(x, Sequences)), None)


def padded(dataset: Samples, x: Source) -> tuple[tuple[Parts, Parts], list[bool]]:
    """The targets and the weights as arrays, and which of them have the steps of `x`."""
    are_steps: list[bool] = []

    def arrays(name: str, parts: Sequence[Source | None]) -> Parts:
        evenly: list[Evenly | None] = []
        for part in parts:
            are_steps.append(isinstance(part, Sequences))
            if not isinstance(part, Sequences):
                evenly.append(part)
            elif isinstance(x, Sequences) and np.array_equal(x.lengths, part.lengths):
                evenly.append(part.whole())
            else:
                raise ValueError(
                    f"{name}: expected an array, or sequences as long as those in x, got nested lists of unequal "
                    "lengths."
                )
        return tuple(evenly)

    return (arrays("y", dataset.y), arrays("sample_weight", dataset.weight)), are_steps


def _tried(model: Compiled, x: Sequences, rows: list[Any]) -> list[Array]:
    """The outputs for the first of some sequences, for its own steps where there is one for each."""
    indices = np.array(rows)
    batch = PaddedColumn(x, model.input_dtypes[0]).gathered(indices)
    call = model._acquired_call(masks=(StepsColumn(x.lengths).gathered(indices),))
    try:
        outputs = model.forward(call, batch)
        parts, masks = _tuples(outputs, model.outgoing_mask(call, batch))
        length = x.lengths[rows[0]]
        return [
            np.array(part[0] if mask is None else part[0, :length]) for part, mask in zip(parts, masks, strict=True)
        ]
    finally:
        model._release(call)


def _tuples(outputs: Any, masks: Any) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
    """The outputs, and the mask or None of each."""
    return (outputs, masks or (None,) * len(outputs)) if isinstance(outputs, tuple) else ((outputs,), (masks,))


def _alike(padded: Array, alone: Array) -> bool:
    return padded.shape == alone.shape and np.allclose(padded, alone, rtol=1e-3, atol=1e-5, equal_nan=True)


class UnequalPredictions(Predictions):
    """The outputs for sequences that come in the order of their lengths, put back into their own order.

    Parameters
    ----------
    order : (N,) int ndarray
        Which sequence comes when.
    lengths : (N,) int ndarray
        Of the sequences, in their own order.
    """

    def __init__(self, order: Array, lengths: Array) -> None:
        super().__init__(len(order))
        self._order, self._lengths = order, lengths
        self._rows: list[list[Any]] = []

    def add(self, parts: Sequence[Array], masks: Any = None) -> None:
        parts, masks = _tuples(tuple(parts), masks if isinstance(masks, tuple) else (masks,) * len(parts))
        self._rows = self._rows or [[None] * len(self._order) for _ in parts]
        for row, index in enumerate(self._order[self.count : self.count + len(parts[0])]):
            for rows, part, mask in zip(self._rows, parts, masks, strict=True):
                rows[index] = np.array(part[row] if mask is None else part[row, : self._lengths[index]])
        self.count += len(parts[0])

    def since(self, first: int) -> list[Any]:
        """The outputs from a sequence on, in the order in which they come."""
        return [[rows[index] for index in self._order[first : self.count]] for rows in self._rows]

    def whole(self) -> list[Any]:
        """Each output: one array, or a list of them where there is one for each step."""
        done = np.sort(self._order[: self.count])
        outputs = [[rows[index] for index in done] for rows in self._rows]
        return [np.stack(rows) if len({row.shape for row in rows}) == 1 else rows for rows in outputs]
