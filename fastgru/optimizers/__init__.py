"""SGD, RMSprop and Adam as Keras has them: its names, defaults, configs and saved variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgru.optimizers.adam import Adam
from fastgru.optimizers.optimizer import KIND, Optimizer
from fastgru.optimizers.rmsprop import RMSprop
from fastgru.optimizers.sgd import SGD
from fastgru.registry import deserialize, known

__all__ = ["SGD", "Adam", "Optimizer", "RMSprop", "get"]


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
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
        exact = {name.lower(): name for name in known(KIND)}.get(str(name).lower(), name)
        identifier = deserialize({**identifier, "class_name": exact}, KIND, custom_objects)
    if isinstance(identifier, type):
        identifier = identifier()
    if not isinstance(identifier, Optimizer):
        raise ValueError(f"Optimizer: expected a name, a config or an Optimizer, got {identifier!r}.")
    return identifier
