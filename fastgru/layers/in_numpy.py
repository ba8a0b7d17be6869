"""Which activations no kernel computes where they stand, which takes several times as long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastgru.activations import Activation
from fastgru.layers.options import declared

__all__ = ["activations_in_numpy"]


def activations_in_numpy(layer: Any) -> dict[str, list[str]]:
    """The names of these activations in a layer and those inside, each with the names of the layers that use it.

    The steps of a recurrent layer are one kernel only with activations that kernels derive from the output; elsewhere
    those that read the input, such as silu and gelu, have kernels, too.
    """
    users: dict[str, list[str]] = {}
    for one, activation in _used(layer):
        names = users.setdefault(activation.name, [])
        if one.name not in names:
            names.append(one.name)
    return users


def _used(layer: Any) -> Iterator[tuple[Any, Activation]]:
    owner = getattr(layer, "_layer", layer)  # of a cell
    in_steps = hasattr(owner, "recurrent_activation")
    options = declared(type(owner))  # LeakyReLU, which is an activation, has none
    for name in (one for one in ("activation", "recurrent_activation") if one in options):
        activation = getattr(owner, name)
        has_kernel = activation.is_compiled
        if in_steps:
            has_kernel = activation.kernel_id is not None and activation.name != "softmax"
        if not has_kernel:
            yield layer, activation
    for inner in layer.sublayers:
        yield from _used(inner)
