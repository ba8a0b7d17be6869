"""The layers in a layer."""

from __future__ import annotations

from collections.abc import Iterator

from fastgru.layers.layer import Layer


def leaves(layer: Layer) -> Iterator[Layer]:
    """A layer and all layers in it."""
    yield layer
    for inner in layer.sublayers:
        yield from leaves(inner)
