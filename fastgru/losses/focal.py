"""Cross-entropies that care less for what is right already (Lin et al. 2017, https://arxiv.org/abs/1708.02002)."""

from __future__ import annotations

import numpy.typing as npt

from fastgru import ops
from fastgru.autodiff.tensor import Tensor
from fastgru.kernels import EPSILON
from fastgru.losses.formula_loss import FormulaLoss, pair
from fastgru.losses.loss import KIND
from fastgru.registry import registered

__all__ = [
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
    "binary_focal_crossentropy",
    "categorical_focal_crossentropy",
]


def binary_focal_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """The mean over an axis of the binary cross-entropy times ``(1 - p_t) ** gamma``.

    Here p_t is the probability of the label that is there. With `apply_class_balancing` labels of 1 weigh `alpha` and
    those of 0 ``1 - alpha``.
    """
    t, p = pair(y_true, y_pred, "binary_focal_crossentropy")
    if label_smoothing:
        t = t * (1 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        p = ops.sigmoid(p)
    crossentropy = ops.binary_crossentropy(t, p)
    values = ops.power(1 - (t * p + (1 - t) * (1 - p)), gamma) * crossentropy
    if apply_class_balancing:
        values = values * (t * alpha + (1 - t) * (1 - alpha))
    return ops.mean(values, axis=axis)


@registered(KIND)
class BinaryFocalCrossentropy(FormulaLoss):
    """`binary_focal_crossentropy`."""

    formula = staticmethod(binary_focal_crossentropy)

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(
            name,
            reduction,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


def categorical_focal_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    alpha: float | npt.ArrayLike = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """``-sum(alpha (1 - p) ** gamma t log(p))`` over the classes, with a label t for each class (one-hot).

    `alpha` is a number, or one for each class.
    """
    t, p = pair(y_true, y_pred, "categorical_focal_crossentropy")
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / t.shape[-1]
    if from_logits:
        p = ops.softmax(p, axis=axis)
    p = ops.clip(p / ops.sum(p, axis=axis, keepdims=True), EPSILON, 1 - EPSILON)
    return -ops.sum(ops.power(1 - p, gamma) * ops.cast(alpha, p.dtype) * t * ops.log(p), axis=axis)


@registered(KIND)
class CategoricalFocalCrossentropy(FormulaLoss):
    """`categorical_focal_crossentropy`."""

    formula = staticmethod(categorical_focal_crossentropy)

    def __init__(
        self,
        alpha: float | npt.ArrayLike = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(
            name,
            reduction,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
