"""An optimizer by its name or config, and the config of an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgru import optimizers, registry
from fastgru.optimizers.optimizer import KIND, Optimizer

__all__ = ["deserialize", "get", "serialize"]


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Keras's JSON form of an optimizer."""
    form: dict[str, Any] = registry.serialize(optimizer)
    return form


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer that a JSON form describes, whose class may be written in any case.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is no such form.
    """
    name = config.get("class_name") if isinstance(config, Mapping) else None
    if not isinstance(name, str):
        return registry.deserialize(config, KIND, custom_objects)
    exact = next((one for one in optimizers.__all__ if one.lower() == name.lower()), name)
    return registry.deserialize({**config, "class_name": exact}, KIND, custom_objects)


def get(
    identifier: str | Mapping[str, Any] | type[Optimizer] | Optimizer | None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The optimizer for a Keras name (in any case), config, class, or itself; None for None.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is something else.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        identifier = {"class_name": identifier}
    if isinstance(identifier, Mapping):
        identifier = deserialize(identifier, custom_objects)
    optimizer = identifier() if isinstance(identifier, type) else identifier
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"Optimizer: expected a name, a config or an Optimizer, got {optimizer!r}.")
    return optimizer
