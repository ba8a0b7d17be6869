"""Hinge losses: a prediction is to be on its side by a margin."""

from __future__ import annotations

import numpy.typing as npt

from fastgru import ops
from fastgru.autodiff.tensor import Tensor
from fastgru.losses.formula_loss import FormulaLoss, pair
from fastgru.losses.loss import KIND
from fastgru.registry import registered

__all__ = [
    "CategoricalHinge",
    "Hinge",
    "SquaredHinge",
    "categorical_hinge",
    "hinge",
    "squared_hinge",
]


def hinge(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Tensor:
    """``mean(max(1 - y_true y_pred, 0))``, with labels of -1 and 1, or all of 0 and 1, where 0 stands for -1."""
    return ops.mean(_margins(y_true, y_pred, "hinge"), axis=-1)


@registered(KIND)
class Hinge(FormulaLoss):
    """`hinge`."""

    formula = staticmethod(hinge)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "hinge",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


def squared_hinge(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Tensor:
    """``mean(max(1 - y_true y_pred, 0) ** 2)``, with labels as for `hinge`."""
    return ops.mean(ops.square(_margins(y_true, y_pred, "squared_hinge")), axis=-1)


@registered(KIND)
class SquaredHinge(FormulaLoss):
    """`squared_hinge`."""

    formula = staticmethod(squared_hinge)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


def _margins(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, name: str) -> Tensor:
    t, p = pair(y_true, y_pred, name)
    if bool(ops.all((t == 0) | (t == 1))):
        t = 2 * t - 1
    return ops.maximum(1 - t * p, 0)


def categorical_hinge(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Tensor:
    """``max(max((1 - y_true) y_pred) - sum(y_true y_pred) + 1, 0)``, with one-hot labels."""
    t, p = pair(y_true, y_pred, "categorical_hinge")
    return ops.maximum(ops.max((1 - t) * p, axis=-1) - ops.sum(t * p, axis=-1) + 1, 0)


@registered(KIND)
class CategoricalHinge(FormulaLoss):
    """`categorical_hinge`."""

    formula = staticmethod(categorical_hinge)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
