"""Which stored array belongs to which weight: everything is checked before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fastgru.layers.layer import Layer
from fastgru.layers.weight import Weight, publish
from fastgru.saving.errors import ModelFileError, Report, notice


class Stored(Protocol):
    """An array in a file, whatever the file's format."""

    shape: tuple[int, ...]

    @property
    def file(self) -> str: ...

    @property
    def place(self) -> str: ...

    def read(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """The numbers, once the shape was found right."""


Pair = tuple[Weight, Stored]
# class in the file, where in a wrapper that was taken off the layer is, the layer (None: it was left out)
Entry = tuple[str, str, Layer | None]


@dataclass
class Matching:
    """How arrays and weights are brought together.

    Attributes
    ----------
    skip_mismatch : bool
        Warn and leave out what does not fit, instead of raising.
    by_name : bool
        By the names of the layers; those without a namesake are left out.
    made_for : bool
        The model was made from the file's own config.
    entries : mapping
        For each model, by its `id`, how the file lists its layers; its own list where absent.
    report : Report
        Gets the decisions that are taken.
    """

    skip_mismatch: bool = False
    by_name: bool = False
    made_for: bool = False
    entries: Mapping[int, Sequence[Entry]] = field(default_factory=dict)
    report: Report = field(default_factory=Report)


def pairs(
    owner: str, weights: Sequence[Weight], stored: Sequence[Stored], file: str, place: str, skip_mismatch: bool = False
) -> list[Pair]:
    """The weights of one owner, each with its array in the file.

    Parameters
    ----------
    owner : str
        Who the weights belong to, for error messages.
    weights, stored : sequence
        In the same order.
    file, place : str
        Where the arrays stand.
    skip_mismatch : bool
        Warn and leave out what does not fit, instead of raising.
    """
    if len(weights) != len(stored):
        _refuse(
            f"{file}, {place}: {owner} expects {len(weights)} arrays ({', '.join(w.name for w in weights) or 'none'}), "
            f"the file holds {len(stored)}",
            skip_mismatch,
        )
        return []
    found = []
    for weight, array in zip(weights, stored, strict=True):
        if weight.shape == array.shape:
            found.append((weight, array))
        else:
            _refuse(
                f"{file}, {array.place}: {owner} expects shape {weight.shape} for its weight {weight.name!r}, "
                f"the file holds {array.shape}",
                skip_mismatch,
            )
    return found


def _refuse(reason: str, skip_mismatch: bool) -> None:
    if not skip_mismatch:
        raise ModelFileError(f"{reason}.")
    notice(f"{reason}; it is skipped.")


def assign(found: Sequence[Pair]) -> None:
    """Read all arrays, then give them to the weights: a file that cannot be read leaves the weights as they were."""
    values = [array.read(weight.value.dtype) for weight, array in found]
    publish(
        {weight: np.require(value, requirements=["C", "O"]) for (weight, _), value in zip(found, values, strict=True)}
    )


def read_optimizer(optimizer: Any, stored: Sequence[Stored]) -> list[npt.NDArray[Any]] | None:
    """The optimizer's state from a file; None, with a warning, where it is that of another optimizer or model.

    A file that holds no more than the step count and the learning rate belongs to a model that was never trained.
    """
    expected = [np.asarray(value) for _, value in optimizer.variables()]
    if [value.shape for value in expected] == [array.shape for array in stored]:
        values = [array.read(value.dtype) for value, array in zip(expected, stored, strict=True)]
        steps, rate = values[:2]
        if steps >= 0 and np.isfinite(rate):
            return values
        notice(
            f"{stored[0].file}: the optimizer stands at step {steps} with the learning rate {rate} and starts afresh."
        )
    elif len(stored) > 2:
        notice(
            f"{stored[0].file}: the state of the optimizer {optimizer.name!r} does not fit ({len(expected)} arrays are "
            f"expected, the file holds {len(stored)}) and training starts with a fresh one."
        )
    return None
