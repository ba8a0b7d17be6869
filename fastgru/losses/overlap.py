"""Losses by how far labels and predictions cover each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fastgru import ops
from fastgru.autodiff.tensor import Tensor
from fastgru.kernels import EPSILON
from fastgru.losses.formula_loss import FormulaLoss, pair
from fastgru.losses.loss import KIND
from fastgru.registry import registered

__all__ = [
    "Dice",
    "Tversky",
    "dice",
    "tversky",
]


def dice(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """``1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred))`` over axes, all of them where `axis` is None."""
    t, p = pair(y_true, y_pred, "dice")
    return 1 - 2 * ops.sum(t * p, axis) / (ops.sum(t, axis) + ops.sum(p, axis) + EPSILON)


class _OverlapLoss(FormulaLoss):
    """A loss that sums over axes, all of them where its option `axis` is None."""

    @property
    def _couples_rows(self) -> bool:
        axis = self.options["axis"]
        return axis is None or bool(np.any(np.asarray(axis) <= 0))  # a negative one may be the first


@registered(KIND)
class Dice(_OverlapLoss):
    """`dice`."""

    formula = staticmethod(dice)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: int | Sequence[int] | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, axis=axis)


def tversky(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: int | Sequence[int] | None = None,
) -> Tensor:
    """One minus what labels and predictions share, by that and what one alone has (Salehi et al. 2017).

    `alpha` weighs what only the labels have, `beta` what only the predictions have, as in Keras.
    """
    t, p = pair(y_true, y_pred, "tversky")
    shared = ops.sum(t * p, axis)
    alone = alpha * ops.sum((1 - p) * t, axis) + beta * ops.sum(p * (1 - t), axis)
    return 1 - shared / (shared + alone + EPSILON)


@registered(KIND)
class Tversky(_OverlapLoss):
    """`tversky`."""

    formula = staticmethod(tversky)

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: int | Sequence[int] | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, alpha=alpha, beta=beta, axis=axis)
