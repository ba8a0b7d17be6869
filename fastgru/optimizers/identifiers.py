"""Which optimizer a name, a config, a class or a function stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgru import registry
from fastgru.optimizers.optimizer import KIND, Optimizer

__all__ = ["get"]


def get(
    identifier: str | Mapping[str, Any] | type[Optimizer] | Optimizer, custom_objects: Mapping[str, Any] | None = None
) -> Optimizer:
    """The optimizer for a Keras name (in any case), config, class, or itself.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is something else.
    """
    if isinstance(identifier, str):
        identifier = {"class_name": identifier}
    if isinstance(identifier, Mapping):
        name = identifier.get("class_name")
        exact = {name.lower(): name for name in registry.known(KIND)}.get(str(name).lower(), name)
        identifier = registry.deserialize({**identifier, "class_name": exact}, KIND, custom_objects)
    optimizer = identifier() if isinstance(identifier, type) else identifier
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"Optimizer: expected a name, a config or an Optimizer, got {optimizer!r}.")
    return optimizer
