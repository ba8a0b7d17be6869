"""An old model in words that Keras 3 has, with the same numbers.

hard_sigmoid was clip(0.2 x + 0.5, 0, 1) up to Keras 2 and is clip(x / 6 + 0.5, 0, 1) in Keras 3. Both are the same
function of x and 1.2 x, so where x is a product with weights, these are multiplied by 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastgru import activations
from fastgru.layers.layer import Layer
from fastgru.layers.weight import Weight
from fastgru.saving.old_weights import leaves

SCALE = 1.2
OLD, NEW = activations.hard_sigmoid_old, activations.hard_sigmoid
# the blocks of columns behind the recurrent activation, behind the activation, and how many there are
GATES: dict[str, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    "GRU": ((0, 1), (2,), 3),
    "LSTM": ((0, 1, 3), (), 4),
    "SimpleRNN": ((), (0,), 1),
}
# what passes a factor on unchanged
TRANSPARENT = ("Dropout", "SpatialDropout1D", "Flatten", "Reshape", "Permute", "RepeatVector")


def without_old_hard_sigmoid(model: Any) -> tuple[list[str], list[str]]:
    """Replace the old hard_sigmoid in a model, changing its weights so that the numbers stay.

    Returns
    -------
    (list of str, list of str)
        Names of the layers whose weights were changed, and of those where that cannot be done.
    """
    changed: list[str] = []
    left: list[str] = []
    for layer in dict.fromkeys(leaves(model)):
        owner: Any = getattr(layer, "_layer", layer)  # of a cell
        kind = next((cls.__name__ for cls in type(owner).__mro__ if cls.__name__ in GATES), None)
        for name in ("recurrent_activation", "activation"):
            if getattr(owner, name, None) is not OLD:
                continue
            if kind is not None:
                done = _scale_gates(owner, GATES[kind], name)
            elif layer.weights:
                done = _scale(layer.weights)
            else:
                before = _before(model, layer)
                done = before is not None and _scale(before)
            if done:
                setattr(owner, name, NEW)
            (changed if done else left).append(layer.name)
    return changed, left


def _scale(weights: Sequence[Weight]) -> bool:
    for weight in weights:
        weight.assign(weight.value * np.asarray(SCALE, weight.value.dtype))
    return bool(weights)


def _scale_gates(layer: Any, gates: tuple[tuple[int, ...], tuple[int, ...], int], name: str) -> bool:
    blocks = gates[0] if name == "recurrent_activation" else gates[1]
    for weight in layer.weights if blocks else ():
        value = weight.value.copy()
        for block in blocks:
            value.reshape(*value.shape[:-1], gates[2], -1)[..., block, :] *= SCALE
        weight.assign(value)
    return bool(blocks)


def _before(model: Any, layer: Layer) -> list[Weight] | None:
    """The weights whose product alone goes into a layer without weights."""
    for inner in _rows(model):
        if layer in inner:
            for previous in reversed(inner[: inner.index(layer)]):
                kind = type(previous).__name__
                linear = getattr(previous, "activation", None) is activations.linear
                core = previous.sublayers[0] if kind == "TimeDistributed" else previous
                if kind == "TimeDistributed":
                    linear = getattr(core, "activation", None) is activations.linear
                if linear and type(core).__name__ in ("Dense", "Conv1D", "Conv2D"):
                    return core.weights
                if kind not in TRANSPARENT:
                    return None
    return None


def _rows(model: Any) -> Iterator[list[Layer]]:
    """The layers of each model in a model that stand in a row."""
    inner: list[Any] = [layer for layer in leaves(model) if hasattr(layer, "operations")]
    for one in inner:
        if getattr(one, "is_chain", True):
            yield list(one.layers)
        else:
            yield from _chains(one)


def _chains(model: Any) -> Iterator[list[Layer]]:
    """Of a graph, each layer with those before it, as far as each feeds the next alone."""
    feeds: dict[str, list[str]] = {}
    takes: dict[str, list[str]] = {}
    for layer in model.operations:
        for source in model.connections(layer):
            name = source.partition("[")[0]
            feeds.setdefault(name, []).append(layer.name)
            takes.setdefault(layer.name, []).append(name)
    by_name = {layer.name: layer for layer in model.operations}
    ends = set(model.output_names)
    for layer in model.operations:
        row = [layer]
        while len(takes.get(row[0].name, [])) == 1:
            (name,) = takes[row[0].name]
            if len(feeds[name]) != 1 or name in ends:
                break
            row.insert(0, by_name[name])
        yield row
