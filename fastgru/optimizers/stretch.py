"""What one pass of an update works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import kernels, threads
from fastgru.layers.weight import Weight
from fastgru.optimizers.variable import OptimizerVariable
from fastgru.types import Array

__all__ = ["Numbers", "Stretch", "WeightInUpdate", "run"]

#: the numbers of an update by the names that the kernels have for them
Numbers = Mapping[str, float]


@dataclass(slots=True)
class Stretch:
    """Neighbouring weights that are updated in one pass: parts (n,) of the flat arrays.

    Attributes
    ----------
    weight : Weight
        The first of them, and where an optimizer goes weight by weight the only one.
    values, updated, gradients : (n,) ndarray
        Weights, where their new numbers are written, and their gradients.
    slots : dict of (n,) ndarray
        The state by its names.
    decay : float
        The fraction by which the weights shrink first.
    """

    weight: Weight
    values: Array
    updated: Array
    gradients: Array
    slots: dict[str, Array]
    decay: float

    def shaped(self, part: Array) -> Array:
        """One of its arrays in the shape of its only weight."""
        return part.reshape(self.weight.shape)

    def shrunk(self) -> Array:
        """The weights after their decay, to be read only: without a decay they are `values` itself."""
        return self.values - self.values * self.values.dtype.type(self.decay) if self.decay else self.values


def run(rule: str, stretch: Stretch, names: Sequence[str | None], numbers: Numbers) -> None:
    """One compiled pass by the rule of that name, with the states that are called `names` as its m, v and a."""
    m, v, a = [stretch.slots.get(name) if name else None for name in names]
    kernels.module(stretch.values.dtype).update(
        rule,
        stretch.values,
        stretch.updated,
        stretch.gradients,
        m,
        v,
        a,
        stretch.decay,
        threads.get_num_threads(),
        **numbers,
    )


class WeightInUpdate(OptimizerVariable):
    """A weight in the middle of an update: what is assigned to it is shown with the new numbers of all weights.

    Attributes
    ----------
    weight : Weight
        Of which this will be the numbers.
    """

    __slots__ = ("weight",)

    def __init__(self, weight: Weight, view: Array) -> None:
        super().__init__(view.reshape(-1), weight.name, weight.path, weight.shape)
        self.weight = weight

    def assign(self, value: npt.ArrayLike) -> None:
        super().assign(np.asarray(value))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.weight, name)
