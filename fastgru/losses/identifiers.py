"""Which loss a name, a config, a class or a function stands for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, overload

from fastgru import registry
from fastgru.losses.loss import KIND, FunctionLoss, Loss
from fastgru.registry import Identifier

__all__ = ["deserialize", "get", "kind_of_classes", "resolve", "serialize"]


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
    if inspect.isfunction(identifier) and str(identifier.__module__).startswith(f"{__package__}."):
        identifier = identifier.__name__  # which is the class's in snake case
    loss = registry.resolve(identifier, KIND, custom_objects)
    return loss if loss is None or isinstance(loss, Loss) else FunctionLoss(loss)


def serialize(loss: Loss | Callable[..., Any] | None) -> Any:
    """Keras 3's JSON form of a loss, or of a function ``(y_true, y_pred)``."""
    return registry.serialize(loss)


def deserialize(name: Identifier | None, custom_objects: Mapping[str, Any] | None = None) -> Loss | None:
    """The loss that `serialize` described; its name stands for it, too. ValueError as for `get`."""
    return get(name, custom_objects)


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
