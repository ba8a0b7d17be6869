"""Which metric is meant: by a name, a config, a class or a function, and what a metric becomes in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, overload

from fastgru import losses, registry
from fastgru.losses import Loss
from fastgru.losses.loss import KIND as LOSSES
from fastgru.metrics.metric import KIND, Metric
from fastgru.metrics.reductions import MeanMetricWrapper, function, known_function
from fastgru.naming import snake_case
from fastgru.registry import Identifier

__all__ = ["check", "deserialize", "get", "resolve", "serialize"]


@overload
def get(identifier: None, custom_objects: Mapping[str, Any] | None = None) -> None: ...
@overload
def get(
    identifier: Identifier | Metric, custom_objects: Mapping[str, Any] | None = None
) -> Metric | Callable[..., Any]: ...
def get(
    identifier: Identifier | Metric | None, custom_objects: Mapping[str, Any] | None = None
) -> Metric | Callable[..., Any] | None:
    """The metric for a Keras name, config or class; a metric or a function ``(y_true, y_pred)`` itself; None for None.

    A name that is of a function alone, as Keras writes it into .h5 files, gives that function.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is something else.
    """
    if isinstance(identifier, Mapping):
        return deserialize(identifier, custom_objects)
    return registry.resolve(_of_function(identifier, custom_objects) or identifier, KIND, custom_objects)


def _of_function(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable[..., Any] | None:
    """The function that a name means which is of no class and of no object of the user's."""
    if not isinstance(identifier, str) or identifier in (custom_objects or {}):
        return None
    fn = known_function(identifier)
    return fn if fn is not None and not registry.is_known(KIND, identifier) else None


def serialize(metric: Metric | Callable[..., Any]) -> dict[str, Any]:
    """Keras 3's JSON form of a metric or a function."""
    form: dict[str, Any] = registry.serialize(metric)
    return form


def deserialize(
    config: str | Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Metric | Callable[..., Any]:
    """What `serialize` described, or the metric or function of that name; ValueError for one that is not known."""
    if isinstance(config, str):
        return get(config, custom_objects)
    inner = config.get("config")
    if isinstance(inner, str):  # a function
        return function(config, custom_objects)
    if config.get("module") == LOSSES:
        return losses.get(config, custom_objects)
    if isinstance(inner, Mapping) and isinstance(inner.get("fn"), (str, Mapping)):
        config = {**config, "config": {**inner, "fn": function(inner["fn"], custom_objects)}}
    return registry.deserialize(config, KIND, custom_objects)


def check(identifier: Any) -> None:
    """ValueError for what is no identifier of a metric; nothing is made, and so no automatic name is used up."""
    if isinstance(identifier, str):
        if _of_function(identifier) is None:
            registry.lookup(KIND, identifier)
    elif not isinstance(identifier, type) or not issubclass(identifier, Metric):
        get(identifier)


def resolve(
    identifier: Identifier | Metric | None,
    y_true_shape: tuple[int, ...],
    y_pred_shape: tuple[int, ...],
    loss: Loss | None = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Metric:
    """The metric that an entry of ``compile(metrics=[...])`` means, named as the user wrote it.

    Parameters
    ----------
    identifier : str, Metric, class, function or config
        "accuracy" or "acc", and "crossentropy" or "ce", take the binary, sparse or categorical form by the shapes.
    y_true_shape, y_pred_shape : tuple of int
        Shapes of labels and predictions.
    loss : Loss, optional
        The model's; tells "crossentropy" whether predictions are logits.
    custom_objects : mapping, optional

    Raises
    ------
    ValueError
        The name is unknown, or the identifier is None.
    """
    kind = losses.kind_of_classes(y_true_shape, y_pred_shape)
    alias = identifier.lower() if isinstance(identifier, str) else None
    if alias in ("accuracy", "acc"):
        metric = get(f"{kind}_accuracy")
    elif alias in ("crossentropy", "ce"):
        spec = {"class_name": f"{kind}_crossentropy", "config": {"from_logits": getattr(loss, "from_logits", False)}}
        metric = get(spec)
    elif identifier is None:
        raise ValueError("Metrics: expected a name, a function or a Metric, got None.")
    else:
        metric = get(identifier, custom_objects)
    if not isinstance(metric, Metric):
        name = getattr(metric, "name", None) or getattr(metric, "__name__", type(metric).__name__)
        metric = MeanMetricWrapper(metric, snake_case(str(name)))
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
