"""Arrays of PyTorch's modules as the weights of layers: which module belongs to which layer, and in which layout.

PyTorch's GRU has its gates in the order r, z, n, Keras's z, r, h, and matrices are transposed; torch/nn/modules/rnn.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastgru.layers.convolutional.conv import Convolution
from fastgru.layers.core.dense import Dense
from fastgru.layers.layer import Layer
from fastgru.layers.weight import Weight
from fastgru.saving.formats.state_dict import parameter_of
from fastgru.saving.legacy.weights import Converted
from fastgru.saving.stored import Array, StoredArray, StoredModel

GATES = {1: (0,), 3: (1, 0, 2), 4: (0, 1, 2, 3)}  # by their number: at which place the file has those of a layer
RECURRENT = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
IN_ORDER = ("weight", "bias", "running_mean", "running_var")  # as the weights of normalizations stand

Owned = tuple[Layer, list[Weight]]
Arrays = Mapping[str, Sequence[StoredArray]]


def assigned(owned: Sequence[Owned], stored: StoredModel, by_name: bool) -> dict[int, tuple[str, list[StoredArray]]]:
    """For each layer, by its `id`, the module that belongs to it, and its arrays in the layout of the weights.

    Layers and modules with the same names belong together where all have namesakes. Else they do in order; where the
    file has no order, the only module that fits a layer does.

    Raises
    ------
    ValueError
        Two modules fit a layer, and neither order nor name tells which is meant, or a GRU has not PyTorch's equation.
    """
    arrays = stored.arrays
    if any(parameter_of(array.place) == "weight_ih" for of_module in arrays.values() for array in of_module):
        for layer, _ in owned:
            if not getattr(getattr(layer, "_layer", layer), "reset_after", True):
                raise ValueError(
                    f"layer {layer.name!r} has reset_after=False, and PyTorch's GRU resets after the product"
                )
    names = [_module_name(layer) for layer, _ in owned]
    if by_name or (set(names) == arrays.keys() and len(set(names)) == len(names)):
        pairs = [(entry, name) for entry, name in zip(owned, names, strict=True) if name in arrays]
    elif stored.sorted_by_name:
        pairs = _fitting(owned, arrays)
    else:
        pairs = list(zip(owned, arrays, strict=False))
    return {id(entry[0]): (name, converted(*entry, arrays[name])) for entry, name in pairs}


def fits(weights: Sequence[Weight], arrays: Sequence[StoredArray]) -> bool:
    return [weight.shape for weight in weights] == [array.shape for array in arrays]


def _module_name(layer: Layer) -> str:
    """What a module would be called whose weights these are; those of a Bidirectional are one module's."""
    if layer.name.startswith("backward_"):
        return f"{layer.name.removeprefix('backward_')}_reverse"
    return layer.name.removeprefix("forward_")


def _fitting(owned: Sequence[Owned], arrays: Arrays) -> list[tuple[Owned, str]]:
    """Each layer with the only module that fits; of several whose names differ in numbers alone, with the next."""
    rest, pairs = list(arrays), []
    for layer, weights in owned:
        candidates = [name for name in rest if fits(weights, converted(layer, weights, arrays[name]))]
        alike = {re.sub(r"\d+", "#", arrays[name][0].place.rpartition(".")[0]) for name in candidates}
        if len(alike) > 1:
            raise ValueError(
                f"the arrays of {', '.join(candidates[:6])} all fit the layer {layer.name!r}, and the file has no "
                "order; give the layers the names that stand in the file"
            )
        if candidates:
            rest.remove(candidates[0])
            pairs.append(((layer, weights), candidates[0]))
    return pairs


# --- layouts ----------------------------------------------------------------------------------------------------------


def converted(layer: Any, weights: Sequence[Weight], arrays: Sequence[StoredArray]) -> list[StoredArray]:
    """The arrays of a module in the layout of a layer's weights, as far as they can be brought into it."""
    named = {parameter_of(array.place): array for array in arrays}
    options = getattr(layer, "_layer", layer)  # those of a cell are its layer's
    gates = getattr(options, "gate_count", 0)
    if "weight_ih" in named and gates in GATES and len(named) == len(arrays):
        return _recurrent(options, gates, named)
    ordered = [named.pop(name) for name in IN_ORDER if name in named] + list(named.values())
    if ordered and isinstance(layer, Dense) and len(ordered[0].shape) == 2:
        ordered[0] = _changed(ordered[0], np.transpose)
    elif ordered and isinstance(layer, Convolution) and len(ordered[0].shape) == layer.rank + 2:
        axes = (*range(2, layer.rank + 2), 1, 0)  # there (out, in, *sizes)
        ordered[0] = _changed(ordered[0], lambda array: array.transpose(axes))
    return ordered


def _recurrent(layer: Any, gates: int, named: Mapping[str, StoredArray]) -> list[StoredArray]:
    if not named.keys() <= set(RECURRENT) or "weight_hh" not in named:
        return list(named.values())  # a projection, which no layer has: reported as arrays that do not fit

    def in_our_order(array: Array) -> Array:
        """Gates along the first axis."""
        return np.concatenate([np.split(array, gates)[gate] for gate in GATES[gates]])

    result = [_changed(named[name], lambda array: in_our_order(array).T) for name in RECURRENT[:2]]
    if "bias_ih" not in named or "bias_hh" not in named:
        return result
    biases = [named["bias_ih"], named["bias_hh"]]
    if gates == 3:

        def both(*parts: Array) -> Array:
            return np.stack([in_our_order(part) for part in parts])

        return [*result, Converted(biases, (2, *biases[0].shape), both)]
    return [*result, Converted(biases, biases[0].shape, np.add)]


def _changed(array: StoredArray, change: Callable[[Array], Array]) -> StoredArray:
    """An array changed when it is read; as it is, where its shape forbids that."""
    try:
        shape = change(np.broadcast_to(np.zeros((), np.int8), array.shape)).shape
    except (ValueError, IndexError):
        return array
    return Converted([array], shape, change)
