"""Losses that are a formula: its gradient follows from the ops in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastgru import checks, ops
from fastgru.losses.loss import Loss, SameShapeLoss, as_float, same_shape

__all__ = ["ClassFormulaLoss", "FormulaLoss", "pair"]


def _not_negative_each(value: Any, where: str, name: str) -> None:
    """One number, or one for each class."""
    for one in value if isinstance(value, (list, tuple, np.ndarray)) else [value]:
        checks.not_negative(one, where, name)


_RANGES: dict[str, Callable[[Any, str, str], Any]] = {
    "alpha": _not_negative_each,
    "apply_class_balancing": checks.flag,
    "axis": checks.optional(checks.axes),
    "beta": checks.not_negative,
    "delta": checks.positive,
    "from_logits": checks.flag,
    "gamma": checks.not_negative,
    "label_smoothing": checks.rate,
    "margin": checks.number,
    "remove_diagonal": checks.flag,
}


class ClassFormulaLoss(Loss):
    """A loss by a function of labels, predictions and the loss's options; its labels are of a shape of their own.

    Attributes
    ----------
    formula : function ``(y_true, y_pred, **options) -> values``
    options : dict
        By name, as the config has them.
    """

    formula: ClassVar[Callable[..., Any]]
    unsaved: ClassVar[tuple[str, ...]] = ()  # options that Keras's config does not have

    def __init__(self, name: str | None, reduction: str | None, dtype: npt.DTypeLike | None, **options: Any) -> None:
        super().__init__(name, reduction, dtype)
        for option, value in options.items():
            if option in _RANGES:
                _RANGES[option](value, type(self).__name__, option)
        self.options = options

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return type(self).formula(y_true, y_pred, **self.options)

    def get_config(self) -> dict[str, Any]:
        saved = {key: value for key, value in self.options.items() if key not in self.unsaved}
        return {**super().get_config(), **saved}


class FormulaLoss(ClassFormulaLoss, SameShapeLoss):
    """The same with labels of the predictions' shape."""


def pair(y_true: Any, y_pred: Any, where: str) -> tuple[Any, Any]:
    """Labels and predictions of one shape and float dtype, the predictions as a tape follows them."""
    predictions = ops.convert_to_tensor(y_pred)
    if predictions.dtype.kind != "f":
        predictions = ops.cast(predictions, as_float(predictions[:0]).dtype)
    return same_shape(ops.convert_to_tensor(y_true, str(predictions.dtype)), predictions, where)
