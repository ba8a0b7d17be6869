"""Means of hinge losses, with labels of -1 and 1 or of 0 and 1."""

from __future__ import annotations

import numpy.typing as npt

from fastgru import losses
from fastgru.metrics.metric import KIND
from fastgru.metrics.reductions import MeanMetricWrapper
from fastgru.registry import registered

__all__ = ["CategoricalHinge", "Hinge", "SquaredHinge"]


@registered(KIND)
class Hinge(MeanMetricWrapper):
    """The mean of `losses.hinge`."""

    def __init__(self, name: str | None = "hinge", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.hinge, name, dtype)


@registered(KIND)
class SquaredHinge(MeanMetricWrapper):
    """The mean of `losses.squared_hinge`."""

    def __init__(self, name: str | None = "squared_hinge", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


@registered(KIND)
class CategoricalHinge(MeanMetricWrapper):
    """The mean of `losses.categorical_hinge`, whose labels are one-hot."""

    def __init__(self, name: str | None = "categorical_hinge", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)
