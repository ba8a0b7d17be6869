"""Layers as Keras's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgru.layers.layer import Layer
from fastgru.serialization import deserialize_keras_object, serialize_keras_object

__all__ = ["deserialize", "serialize"]


def serialize(layer: Layer) -> dict[str, Any]:
    """Keras 3's JSON form of a layer."""
    form: dict[str, Any] = serialize_keras_object(layer)
    return form


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """The layer that `serialize` described, with new weights where the form says for which shape it was built.

    Raises
    ------
    TypeError, ValueError
        As for `fastgru.saving.deserialize_keras_object`, and where the config is not that of a layer.
    """
    layer = deserialize_keras_object(config, custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(f"layers.deserialize: expected the config of a layer, got {config!r}.")
    return layer
