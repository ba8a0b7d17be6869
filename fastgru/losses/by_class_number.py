"""Losses whose labels are class numbers or sequences of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, ops
from fastgru.autodiff.tensor import Tensor
from fastgru.losses.formula_loss import ClassFormulaLoss
from fastgru.losses.loss import KIND
from fastgru.registry import registered
from fastgru.types import Array

__all__ = [
    "CTC",
    "CategoricalGeneralizedCrossEntropy",
    "Circle",
    "categorical_generalized_cross_entropy",
    "circle",
    "ctc",
]


def categorical_generalized_cross_entropy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, q: float) -> Tensor:
    """``(1 - p ** q) / q``, with p the probability of the label: between cross-entropy (q near 0) and MAE (near 1).

    Source: Zhang and Sabuncu 2018, https://arxiv.org/abs/1805.07836.
    """
    predictions: Any = ops.convert_to_tensor(y_pred)
    labels = ops.reshape(ops.cast(y_true, "int32"), predictions.shape[:-1])
    p = ops.sum(predictions * ops.one_hot(labels, predictions.shape[-1], dtype=str(predictions.dtype)), axis=-1)
    return (1 - ops.power(p, q)) / q


@registered(KIND)
class CategoricalGeneralizedCrossEntropy(ClassFormulaLoss):
    """`categorical_generalized_cross_entropy`."""

    formula = staticmethod(categorical_generalized_cross_entropy)

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        if not checks.is_not_negative(q) or not 0 < q < 1:
            raise ValueError(f"CategoricalGeneralizedCrossEntropy: expected q in the interval (0, 1), got {q!r}.")
        super().__init__(name, reduction, dtype, q=q)


def circle(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    ref_labels: npt.ArrayLike | None = None,
    ref_embeddings: npt.ArrayLike | None = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Tensor:
    """How near embeddings of one class are to each other, and how far from the others (Sun et al. 2020).

    Parameters
    ----------
    y_true : (B,) int array_like
    y_pred : (B, F) array_like
        Embeddings of length 1.
    ref_labels, ref_embeddings : optional
        What they are compared with; the batch itself where absent.
    remove_diagonal : bool
        Whether an embedding is left out of those that it is compared with.
    gamma, margin : float
    """
    embeddings = ops.convert_to_tensor(y_pred)
    others = embeddings if ref_embeddings is None else ops.convert_to_tensor(ref_embeddings)
    labels = np.asarray(y_true).astype(int).reshape(-1)
    other_labels = labels if ref_labels is None else np.asarray(ref_labels).astype(int).reshape(-1)
    distances = ops.maximum(1 - ops.matmul(embeddings, ops.transpose(others)), 0.0)
    unlike = labels[:, np.newaxis] != other_labels
    alike = np.logical_not(unlike)
    if remove_diagonal:
        np.fill_diagonal(alike, False)
    near = -gamma * ops.maximum(margin + distances, 0.0) * (margin - distances)
    far = gamma * ops.maximum(1 + margin - distances, 0.0) * (1 - margin - distances)
    never = float("-inf")
    return ops.softplus(
        ops.logsumexp(ops.where(alike, near, never), axis=1) + ops.logsumexp(ops.where(unlike, far, never), axis=1)
    )


@registered(KIND)
class Circle(ClassFormulaLoss):
    """`circle`; what it is 0 for does not count in the mean, as in Keras."""

    formula = staticmethod(circle)

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "circle",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, gamma=gamma, margin=margin, remove_diagonal=remove_diagonal)

    @property
    def _couples_rows(self) -> bool:
        return True

    def _weights(self, targets: Array, values: Array, sample_weight: Any, mask: Any) -> Array | None:
        counts = values > 0
        return super()._weights(targets, values, sample_weight, counts if mask is None else counts & np.asarray(mask))


def ctc(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Tensor:
    """`ops.ctc_loss` of labels (B, L), where 0 is no label, and logits (B, T, C), of which all steps count."""
    labels, logits = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if labels.ndim != 2:
        raise ValueError(
            "Targets `y_true` are expected to be a tensor of shape `(batch_size, max_length)` in integer format. "
            f"Received: y_true.shape={labels.shape}"
        )
    if logits.ndim != 3:
        raise ValueError(
            "Logits `y_pred` are expected to be a tensor of shape `(batch_size, max_length, num_classes)`. "
            f"Received: y_pred.shape={logits.shape}"
        )
    n_labels = np.count_nonzero(labels, axis=-1)
    return ops.ctc_loss(labels, logits, n_labels, np.full(len(logits), logits.shape[1]))


@registered(KIND)
class CTC(ClassFormulaLoss):
    """`ctc`: labels read off a sequence without knowing where each stands."""

    formula = staticmethod(ctc)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "ctc",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
