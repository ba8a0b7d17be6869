"""Keras's losses, each with the gradient by the predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

from fastgru import registry
from fastgru.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from fastgru.losses.functions import (
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_percentage_error,
    mean_squared_logarithmic_error,
    poisson,
    squared_hinge,
)
from fastgru.losses.loss import KIND, FunctionLoss, Loss, same_rank
from fastgru.losses.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    mean_absolute_error,
    mean_squared_error,
)
from fastgru.moved import attributes
from fastgru.registry import Identifier

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "get",
    "hinge",
    "huber",
    "kind_of_classes",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "resolve",
    "same_rank",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]


_CLASSES: dict[Any, type[Loss]] = {
    mean_squared_error: MeanSquaredError,
    mean_absolute_error: MeanAbsoluteError,
    binary_crossentropy: BinaryCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
}


@overload
def get(identifier: None, custom_objects: Mapping[str, Any] | None = None) -> None: ...
@overload
def get(identifier: Identifier, custom_objects: Mapping[str, Any] | None = None) -> Loss: ...
def get(identifier: Identifier | None, custom_objects: Mapping[str, Any] | None = None) -> Loss | None:
    """The loss for a Keras name, config, class, function ``(y_true, y_pred)``, or itself; None for None.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is something else.
    """
    if isinstance(identifier, Mapping) and isinstance(identifier.get("config"), str):
        identifier = identifier["config"]
    by_function = _CLASSES.get(identifier) if callable(identifier) else None
    loss = registry.resolve(by_function or identifier, KIND, custom_objects)
    return loss if loss is None or isinstance(loss, Loss) else FunctionLoss(loss)


def kind_of_classes(y_true_shape: tuple[int, ...], y_pred_shape: tuple[int, ...]) -> str:
    """Keras's guess from the shapes: "binary", "sparse_categorical" or "categorical"."""
    if y_pred_shape[-1] == 1:
        return "binary"
    sparse = len(y_true_shape) < len(y_pred_shape) or y_true_shape[-1] == 1
    return "sparse_categorical" if sparse else "categorical"


def resolve(
    identifier: Identifier | None,
    y_true_shape: tuple[int, ...],
    y_pred_shape: tuple[int, ...],
    custom_objects: Mapping[str, Any] | None = None,
) -> Loss | None:
    """`get`, and for "crossentropy" or "ce" the form that fits the shapes of labels and predictions."""
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        identifier = f"{kind_of_classes(y_true_shape, y_pred_shape)}_crossentropy"
    return get(identifier, custom_objects)


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # which would take every name for one of this module
    __getattr__ = attributes(__name__)
