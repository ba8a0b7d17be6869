"""A schedule of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import checks
from fastgru.optimizers.schedules.schedule import KIND, LearningRateSchedule, float32, scalar
from fastgru.registry import registered

__all__ = ["PiecewiseConstantDecay"]


@registered(KIND)
class PiecewiseConstantDecay(LearningRateSchedule):
    """The first value up to and with the first boundary, then the second up to the next, and so on.

    Parameters
    ----------
    boundaries : sequence of int
        Increasing.
    values : sequence of float
        One more.
    name : str
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        checks.listed(boundaries, "PiecewiseConstantDecay", "boundaries")
        for value in checks.listed(values, "PiecewiseConstantDecay", "values"):
            scalar(value, "PiecewiseConstantDecay", "values")
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay: expected one value more than boundaries, got {len(values)} values and "
                f"{len(boundaries)} boundaries."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = checks.text(name, "PiecewiseConstantDecay", "name")

    def __call__(self, step: Any) -> Any:
        return float32(self.values)[np.searchsorted(np.asarray(self.boundaries), np.asarray(step))]

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}
