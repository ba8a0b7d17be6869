"""Losses between distributions."""

from __future__ import annotations

import numpy.typing as npt

from fastgru import ops
from fastgru.autodiff.tensor import Tensor
from fastgru.kernels import EPSILON
from fastgru.losses.formula_loss import FormulaLoss, pair
from fastgru.losses.loss import KIND
from fastgru.registry import registered

__all__ = [
    "KLDivergence",
    "Poisson",
    "kl_divergence",
    "poisson",
]


def kl_divergence(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Tensor:
    """``sum(y_true log(y_true / y_pred))`` of probabilities, which are clipped to [1e-7, 1]."""
    t, p = (ops.clip(array, EPSILON, 1) for array in pair(y_true, y_pred, "kl_divergence"))
    return ops.sum(t * ops.log(t / p), axis=-1)


@registered(KIND, "kld", "KLD", "kullback_leibler_divergence")
class KLDivergence(FormulaLoss):
    """`kl_divergence`."""

    formula = staticmethod(kl_divergence)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


def poisson(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Tensor:
    """``mean(y_pred - y_true log(y_pred + 1e-7))``."""
    t, p = pair(y_true, y_pred, "poisson")
    return ops.mean(p - t * ops.log(p + EPSILON), axis=-1)


@registered(KIND)
class Poisson(FormulaLoss):
    """`poisson`."""

    formula = staticmethod(poisson)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "poisson",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
