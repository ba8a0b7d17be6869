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
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.time_distributed import TimeDistributed
from fastgru.layers.weight import Weight
from fastgru.saving.leaves import leaves
from fastgru.saving.legacy.weights import activated

SCALE = 1.2
OLD, NEW = activations.hard_sigmoid_old, activations.hard_sigmoid


def without_old_hard_sigmoid(model: Any) -> tuple[list[str], list[str]]:
    """Replace the old hard_sigmoid in a model, changing its weights so that the numbers stay.

    Returns
    -------
    (list of str, list of str)
        Names of the layers whose weights were changed, and of those where that cannot be done.
    """
    changed: list[str] = []
    unchanged: list[str] = []
    for layer, owner, option in [*activated(model, OLD)]:
        if isinstance(owner, Recurrent):
            done = _scale_gates(owner, option)
        else:
            done = _scale(layer.weights or _weights_before(model, layer))
        if done:
            setattr(owner, option, NEW)
        (changed if done else unchanged).append(layer.name)
    return changed, unchanged


def _scale(weights: Sequence[Weight]) -> bool:
    for weight in weights:
        weight.assign(weight.value * np.asarray(SCALE, weight.value.dtype))
    return bool(weights)


def _scale_gates(layer: Any, name: str) -> bool:
    gates: tuple[int, ...] = getattr(layer, f"{name}_gates")
    for weight in layer.weights if gates else ():
        value = weight.value.copy()
        for gate in gates:
            value.reshape(*value.shape[:-1], layer.gate_count, -1)[..., gate, :] *= SCALE
        weight.assign(value)
    return bool(gates)


def _weights_before(model: Any, layer: Layer) -> list[Weight]:
    """The weights whose product alone goes into a layer without weights; none where there is no such product."""
    for row in _rows(model):
        if layer in row:
            for previous in reversed(row[: row.index(layer)]):
                core: Any = previous.sublayers[0] if isinstance(previous, TimeDistributed) else previous
                if core.linear_in_weights and core.activation is activations.linear:
                    return core.weights
                if not previous.homogeneous:
                    return []
    return []


def _rows(model: Any) -> Iterator[list[Layer]]:
    """The layers of each model in a model that stand in a row."""
    models: list[Any] = [layer for layer in leaves(model) if hasattr(layer, "operations")]
    for inner in models:
        if getattr(inner, "is_chain", True):
            yield list(inner.layers)
        else:
            yield from _chains(inner)


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
