"""Arrays as older versions kept them, as the weights of today's layers.

A layer's arrays stand in order, trained ones first, so a wrapper's or a model's are those of the layers in it, one
after the other. A run of arrays that belongs to one layer is converted as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru.layers.layer import Layer
from fastgru.layers.weight import Weight
from fastgru.saving.leaves import leaves
from fastgru.saving.report import Report
from fastgru.saving.stored import Array, StoredArray, StoredModel

if TYPE_CHECKING:
    from fastgru.activations.activation import Activation

# Keras 1 kept three arrays a gate; gate i of today is at place order[i] there (LSTM: i, c, f, o)
KERAS_1_ORDER = {3: (0, 1, 2), 4: (0, 2, 1, 3)}
# what PruneLowMagnitude keeps besides the weights of the layer in it
OF_PRUNING = r"/(mask|threshold|pruning_step)(_\d+)?(:0)?$"


@dataclass
class Converted:
    """An array computed from others in the file, when it is read."""

    parts: Sequence[StoredArray]
    shape: tuple[int, ...]
    convert: Callable[..., Array]

    @property
    def file(self) -> str:
        return self.parts[0].file

    @property
    def place(self) -> str:
        return self.parts[0].place

    def read(self, dtype: npt.DTypeLike) -> Array:
        return np.ascontiguousarray(self.convert(*(part.read(dtype) for part in self.parts)))


@dataclass
class Origin:
    """Who wrote the arrays.

    Attributes
    ----------
    first : bool
        Keras 1 or older.
    theano : bool
        Convolved with flipped kernels.
    decides : bool
        The arrays may decide about `reset_after`, because the model is made for them.
    """

    first: bool = False
    theano: bool = False
    decides: bool = False

    @classmethod
    def of(cls, stored: StoredModel, decides: bool) -> Origin:
        """That of a legacy file's arrays."""
        first = stored.version < (2, 0)
        theano = stored.backend == "theano"
        if stored.backend is None and first:
            # Keras 1 did not always say so, but under TensorFlow names end in ``:0``
            theano = not any(":0" in array.place for arrays in stored.arrays.values() for array in arrays)
        return cls(first, theano, decides)


def in_order(layer: Layer) -> list[Weight]:
    """A layer's weights in the order of legacy files."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def without_pruning(arrays: Sequence[StoredArray]) -> list[StoredArray]:
    """The arrays without those that PruneLowMagnitude added."""
    return [array for array in arrays if not re.search(OF_PRUNING, array.place)]


def arranged(layer: Layer, arrays: Sequence[StoredArray], origin: Origin, report: Report) -> list[StoredArray]:
    """The arrays of a layer in the layout of its weights, as far as they can be brought into it."""
    arrays = _by_direction(layer, without_pruning(arrays), report)
    runs = list(_runs(layer))
    sizes = [len(weights) for _, weights in runs]
    if sum(sizes) != len(arrays):
        # a gate's three arrays are apart in Keras 1
        sizes = [len(weights) * (_gates(leaf) if _gates(leaf) in KERAS_1_ORDER else 1) for leaf, weights in runs]
    if sum(sizes) != len(arrays):
        return list(arrays)
    converted: list[StoredArray] = []
    start = 0
    for (leaf, weights), size in zip(runs, sizes, strict=True):
        converted += _converted(leaf, weights, arrays[start : start + size], origin, report)
        start += size
    return converted


def _by_direction(layer: Layer, arrays: list[StoredArray], report: Report) -> list[StoredArray]:
    """The arrays with those of each Bidirectional in the order of its weights, as the names of the directions say.

    Arrays that were trained stand first, so a file whose forward direction alone was frozen begins with the other one.
    """
    for both in (one for one in leaves(layer) if hasattr(one, "forward_layer")):
        ways = [one for weight in in_order(both) for one in both.sublayers if weight in one.weights]
        # where Keras 2 read a file of its own, the copy of forward_gru was backward_gru
        names = {one: one.name.replace("backward_forward_", "backward_") for one in both.sublayers}
        places = {one: [at for at, array in enumerate(arrays) if f"/{names[one]}/" in array.place] for one in names}
        if any(len(places[one]) != ways.count(one) for one in names):
            continue
        rest = {one: iter(places[one]) for one in names}
        targets = sorted(at for numbers in places.values() for at in numbers)
        sources = dict(zip(targets, (next(rest[one]) for one in ways), strict=True))
        if any(at != source for at, source in sources.items()):
            report.decide("The directions are read by the names of the arrays, which Keras takes in order", both.name)
            arrays = [arrays[sources.get(at, at)] for at in range(len(arrays))]
    return arrays


def _runs(layer: Layer) -> Iterator[tuple[Layer, list[Weight]]]:
    """The weights of a layer in order, cut where another inner layer begins."""
    owners = {id(weight): leaf for leaf in leaves(layer) for weight in leaf._weights}
    run: list[Weight] = []
    for weight in in_order(layer):
        if run and owners[id(run[0])] is not owners[id(weight)]:
            yield owners[id(run[0])], run
            run = []
        run.append(weight)
    if run:
        yield owners[id(run[0])], run


def activated(model: Layer, activation: Activation) -> Iterator[tuple[Layer, Any, str]]:
    """The layers in a model that use an activation, each with the owner of the option and its name."""
    for layer in dict.fromkeys(leaves(model)):
        owner: Any = getattr(layer, "_layer", layer)  # of a cell
        for option in ("recurrent_activation", "activation"):
            if getattr(owner, option, None) is activation:
                yield layer, owner, option


def _gates(layer: Any) -> int:
    """How many gates a recurrent layer or a cell has; 0 for any other layer."""
    return int(getattr(getattr(layer, "_layer", layer), "gate_count", 0))


def _converted(
    layer: Any, weights: list[Weight], stored: Sequence[StoredArray], origin: Origin, report: Report
) -> Sequence[StoredArray]:
    from fastgru.layers.convolutional.conv import Convolution

    if _gates(layer) in KERAS_1_ORDER and len(weights) >= 2:
        return _recurrent(layer, _gates(layer), weights, stored, origin, report)
    if isinstance(layer, Convolution) and weights[0].value.ndim == layer.rank + 2:
        return [_kernel(layer, weights[0], stored[0], origin, report), *stored[1:]]
    return stored


# --- recurrent layers -------------------------------------------------------------------------------------------------


def _recurrent(
    layer: Layer, gates: int, weights: list[Weight], stored: Sequence[StoredArray], origin: Origin, report: Report
) -> Sequence[StoredArray]:
    width = weights[0].shape[-1]
    if len(stored) == 3 * gates and len(weights) == 3:
        report.decide(f"Keras 1 kept {3 * gates} arrays, three a gate, which are put together", layer.name)
        joined = [_gates_of_keras_1(stored[index::3], KERAS_1_ORDER[gates]) for index in range(3)]
        return _with_reset_of(layer, weights, joined, origin, report) if gates == 3 else joined
    if len(stored) == 3 and stored[2].shape == (2 * width,) and weights[2].shape != (2 * width,):
        return _from_cudnn(layer, gates, weights, stored, origin, report)
    if gates == 3 and len(stored) == 3:
        return _with_reset_of(layer, weights, stored, origin, report)
    return stored


def _gates_of_keras_1(parts: Sequence[StoredArray], order: tuple[int, ...]) -> StoredArray:
    shape = parts[0].shape
    whole = (*shape[:-1], sum(part.shape[-1] for part in parts))
    if any(part.shape[:-1] != shape[:-1] for part in parts) or not shape:
        return parts[0]  # reported as a shape that does not fit
    return Converted([parts[index] for index in order], whole, lambda *arrays: np.concatenate(arrays, axis=-1))


def _from_cudnn(
    layer: Layer, gates: int, weights: list[Weight], stored: Sequence[StoredArray], origin: Origin, report: Report
) -> Sequence[StoredArray]:
    """cuDNN's layout: each gate's block transposed, that of the kernel moreover read in the other order."""
    kernel, recurrent, bias = stored
    width = weights[0].shape[-1]
    report.decide("The weights have cuDNN's layout and are converted", layer.name)
    if gates == 3:
        _set_reset_after(layer, weights, True, origin, report)
        new_bias = Converted([bias], (2, width), lambda array: array.reshape(2, width))
    else:
        new_bias = Converted([bias], (width,), lambda array: array.reshape(2, width).sum(axis=0))

    def blocks(array: Array, change: Callable[[Array], Array]) -> Array:
        return np.hstack([change(block) for block in np.hsplit(array, gates)])

    return [
        Converted([kernel], kernel.shape, lambda array: blocks(array, lambda b: b.T.reshape(b.shape, order="F"))),
        Converted([recurrent], recurrent.shape, lambda array: blocks(array, lambda b: b.T)),
        new_bias,
    ]


def _with_reset_of(
    layer: Layer, weights: list[Weight], stored: Sequence[StoredArray], origin: Origin, report: Report
) -> Sequence[StoredArray]:
    """The shape of the bias has the last word about `reset_after`."""
    width = weights[0].shape[-1]
    if stored[2].shape in ((width,), (2, width)):
        _set_reset_after(layer, weights, stored[2].shape == (2, width), origin, report)
    return stored


def _set_reset_after(layer: Any, weights: list[Weight], value: bool, origin: Origin, report: Report) -> None:
    options = getattr(layer, "_layer", layer)  # those of a cell are its layer's
    if options.reset_after == value or not origin.decides:
        return
    report.decide(f"reset_after is {value}, as the shape of the bias says", layer.name)
    options.reset_after = value
    width = weights[0].shape[-1]
    weights[2].value = np.zeros((2, width) if value else (width,), weights[2].value.dtype)


# --- convolutions -----------------------------------------------------------------------------------------------------


def _kernel(layer: Any, weight: Weight, stored: StoredArray, origin: Origin, report: Report) -> StoredArray:
    expected, changes = weight.shape, list[Callable[[Array], Array]]()
    if origin.first and layer.rank == 1 and len(stored.shape) == 4:
        # (filters, channels, steps, 1) in Keras 1.0 and 1.1, (steps, 1, channels, filters) in 1.2
        size, filters = expected[0], expected[2]
        if stored.shape[:2] != (size, 1) or stored.shape[3] != filters:
            changes.append(lambda array: array.transpose(2, 3, 1, 0))
        changes.append(lambda array: array[:, 0])
        report.decide("The kernel of a convolution has the layout of Keras 1 and is transposed", layer.name)
    elif origin.first and layer.rank == 2 and layer.data_format == "channels_first":
        changes.append(lambda array: array.transpose(2, 3, 1, 0))
        report.decide("The kernel of a convolution has the layout of Keras 1 and is transposed", layer.name)
    if origin.theano:
        changes.append(lambda array: np.flip(array, tuple(range(layer.rank))))
        report.decide("Theano's convolutions flip their kernels, which are turned round", layer.name)
        options = layer.get_config()
        uneven = all(size % 2 for size in options["kernel_size"]) and max(options["strides"]) == 1
        if options["padding"] == "same" and not uneven:
            report.decide("Theano pads 'same' on other sides than TensorFlow here: results may be shifted", layer.name)
    if not changes:
        return stored

    def convert(array: Array) -> Array:
        for change in changes:
            array = change(array)
        return array

    empty = np.broadcast_to(np.zeros((), np.int8), stored.shape)
    try:
        shape = convert(empty).shape
    except (ValueError, IndexError):
        return stored  # reported as a shape that does not fit
    return Converted([stored], shape, convert)
