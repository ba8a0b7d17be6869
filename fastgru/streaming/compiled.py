"""Plans whose layers all are among those that the kernels step by themselves, without Python in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastgru import kernels
from fastgru.activations import Activation as Function
from fastgru.layers.activations.activation import Activation
from fastgru.layers.activations.rectifiers import ELU, ReLU
from fastgru.layers.convolutional.conv import Conv1D
from fastgru.layers.core.dense import Dense
from fastgru.layers.core.embedding import Embedding
from fastgru.layers.core.identity import Identity
from fastgru.layers.core.masking import Masking
from fastgru.layers.merging import Add, Concatenate
from fastgru.layers.normalization.batch_normalization import BatchNormalization
from fastgru.layers.normalization.layer_normalization import LayerNormalization
from fastgru.layers.preprocessing.normalization import Normalization
from fastgru.layers.preprocessing.rescaling import Rescaling
from fastgru.layers.regularization.dropout import Dropout
from fastgru.layers.regularization.noise import GaussianDropout, GaussianNoise
from fastgru.layers.rnn.gru import GRU
from fastgru.layers.rnn.lstm import LSTM
from fastgru.layers.rnn.simple_rnn import SimpleRNN
from fastgru.layers.rnn.time_distributed import TimeDistributed
from fastgru.layers.workspace import Call
from fastgru.streaming.plan import Entry, Plan
from fastgru.types import Array

__all__ = ["NotCompiled", "compiled"]


class NotCompiled(Exception):
    """The kernels do not step a plan by themselves; the message is the reason, without a stop."""


class _Unknown(Exception):
    """An option of a layer is none that the kernels know."""


class _Value(NamedTuple):
    """A value of the stream: its number, and that of the mask that it carries or -1."""

    number: int
    mask: int


def compiled(plan: Plan, call: Call) -> Any:
    """The plan as a `Stream` of the kernels, with the weights that the call reads, which must multiply by tiles.

    Several outputs of the model are one row of the stream's, one behind the other.

    Raises
    ------
    NotCompiled
        A layer, or what goes in or comes out, is none that the kernels step.
    """
    inputs, tokens = _input_of(plan)
    stream = kernels.module(plan.dtype).Stream(inputs=inputs, states=plan.state_numbers, tokens=tokens)
    try:
        _fill(stream, plan, call)
    except ValueError as error:  # more layers than it takes, or tables of several sizes for one input
        raise NotCompiled(str(error).rstrip(".")) from None
    return stream


def _fill(stream: Any, plan: Plan, call: Call) -> None:
    """Add all layers to a stream, and its end."""
    values = {0: _Value(0, -1)}
    for entry in plan.entries:
        layer = entry.layer
        try:
            values[entry.output] = _added(stream, plan, entry, call, [values[number] for number in entry.inputs])
        except _Unknown:
            kind = type(layer).__name__
            raise NotCompiled(f"the kernels do not step the layer {layer.name!r} ({kind}) with its options") from None
    ends = [values[end].number for end in plan.ends]
    if 0 in ends:
        raise NotCompiled("it computes nothing")
    stream.end(ends)


def _input_of(plan: Plan) -> tuple[int, int]:
    """The numbers of a step's input, and how many words there are where it is a word."""
    model, first = plan.model, plan.entries[0].layer
    sizes = model.inputs[0].shape[2:]
    if type(first) is Embedding and not sizes:
        return 1, first.input_dim
    if len(sizes) != 1 or sizes[0] is None or model.input_dtype != plan.dtype:
        raise NotCompiled(f"its input is not one row of {plan.dtype} for each step")
    return sizes[0], 0


def _added(stream: Any, plan: Plan, entry: Entry, call: Call, values: list[_Value]) -> _Value:
    """The value that a layer makes, added to the stream."""
    layer = entry.layer
    is_wrapped = type(layer) is TimeDistributed
    if is_wrapped:
        entry, layer = entry._replace(layer=layer.layer), layer.layer
    add = _KINDS.get(type(layer))
    if add is None or entry.masks is not None or layer.runs_call or layer.dtype != plan.dtype or len(entry.shape) != 1:
        raise _Unknown
    value = add(stream, entry, call, *values)
    if is_wrapped:  # which passes on the mask that came, and none that the layer in it makes
        value = value._replace(mask=values[0].mask)
    return value._replace(mask=-1) if entry.gives_rows and not entry.takes_rows else value


def _in_gates(activation: Function) -> int:
    """The number of an activation of a recurrent layer."""
    if activation.kernel_id is None or activation.name == "softmax":
        raise _Unknown
    return activation.kernel_id


def _activated(stream: Any, value: int, activation: Function) -> int:
    """A value behind an activation."""
    if activation.kernel_id is not None:
        number: int = stream.add_activation(value, activation.kernel_id, False)
    elif activation.input_id is not None:
        number = stream.add_activation(value, activation.input_id, True)
    else:
        raise _Unknown
    return number


def _recurrent(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    layer = entry.layer
    weights, packed = layer._packing.read(call, layer._weights, layer._pack_size, layer._pack)
    is_gru = isinstance(layer, GRU)
    number = (stream.add_gru if is_gru else stream.add_rnn)(
        value.number,
        *layer._as_read(weights),
        packed,
        state=entry.offset,
        activation=_in_gates(layer.activation),
        recurrent_activation=_in_gates(layer.recurrent_activation),
        zero_output_for_mask=layer.zero_output_for_mask,
        mask=value.mask,
        **({"reset_after": layer.reset_after} if is_gru else {}),
    )
    return _Value(number, value.mask)


def _product(
    stream: Any, layer: Any, call: Call, add: Callable[..., int], value: int, kernel: Array, packed: Array | None
) -> int:
    """f(x W + b), of Dense and of a convolution."""
    in_kernel = layer.activation.kernel_id
    linear = kernels.module(layer.dtype).activation_ids["linear"]
    bias = None if layer.bias is None else call.value(layer.bias)
    number = add(value, kernel, bias, packed, activation=linear if in_kernel is None else in_kernel)
    return number if in_kernel is not None else _activated(stream, number, layer.activation)


def _dense(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    kernel, packed = entry.layer._kernel(call)
    return value._replace(number=_product(stream, entry.layer, call, stream.add_dense, value.number, kernel, packed))


def _convolution(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    layer = entry.layer
    if not layer._is_plain:
        raise _Unknown
    (kernel,) = layer._matrices(call.value(layer.kernel))
    (packed,) = layer._packed(call, kernel[None])
    dilation = layer.dilation_rate[0]

    def add(value: int, *arrays: Array | None, activation: int) -> int:
        number: int = stream.add_convolution(
            value, *arrays, state=entry.offset, dilation=dilation, activation=activation
        )
        return number

    return _Value(_product(stream, layer, call, add, value.number, kernel, packed), -1)


def _embedding(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    return _Value(*stream.add_embedding(value.number, call.value(entry.layer.embeddings), entry.layer.mask_zero))


def _masking(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    return _Value(*stream.add_masking(value.number, entry.layer.mask_value))


def _activation(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    if entry.layer.options():
        raise _Unknown
    return value._replace(number=_activated(stream, value.number, entry.layer.activation))


def _affine(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    """Scale and shift of each feature, as the layer has them."""
    layer = entry.layer
    if isinstance(layer, BatchNormalization) and layer.axis not in (-1, 2):
        raise _Unknown
    scale, shift = (_of_each(one, entry.shape[0], layer.dtype) for one in layer._scale_and_offset(call))
    return value._replace(number=stream.add_affine(value.number, scale, shift))


def _normalization(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    layer, size = entry.layer, entry.shape[0]
    if layer.rms_scaling or layer.axis not in ([-1], [1 if entry.takes_rows else 2]):
        raise _Unknown
    normal = stream.add_normalization(value.number, layer.epsilon)
    scale = np.ones(size, layer.dtype) if layer.gamma is None else call.value(layer.gamma)
    shift = np.zeros(size, layer.dtype) if layer.beta is None else call.value(layer.beta)
    return value._replace(number=stream.add_affine(normal, scale, shift))


def _of_each(numbers: npt.ArrayLike, size: int, dtype: str) -> Array:
    """(size,) numbers of those that stand beside an input (batch, timesteps, size)."""
    array = np.asarray(numbers)
    if array.dtype != dtype:
        raise _Unknown  # numpy computes in the wider type, and rounds once
    try:
        return np.ascontiguousarray(np.broadcast_to(array, (1, 1, size)).reshape(size))
    except ValueError:
        raise _Unknown from None


def _same(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    """A layer that does nothing outside training."""
    return value


def _joined(stream: Any, entry: Entry, call: Call, *values: _Value) -> _Value:
    numbers = [value.number for value in values]
    if any(value.mask >= 0 for value in values):
        raise _Unknown
    if isinstance(entry.layer, Concatenate):
        if entry.layer.axis != -1 and entry.layer.axis != (1 if entry.takes_rows else 2):
            raise _Unknown
        return _Value(stream.add_concatenation(numbers), -1)
    try:
        return _Value(stream.add_sum(numbers), -1)
    except ValueError:  # sizes of 1, which numpy repeats
        raise _Unknown from None


# exact classes: a subclass may compute something else
_KINDS: dict[type, Callable[..., _Value]] = {
    **dict.fromkeys((GRU, LSTM, SimpleRNN), _recurrent),
    **dict.fromkeys((BatchNormalization, Normalization, Rescaling), _affine),
    **dict.fromkeys((Activation, ReLU, ELU), _activation),
    **dict.fromkeys((Dropout, GaussianNoise, GaussianDropout, Identity), _same),
    **dict.fromkeys((Add, Concatenate), _joined),
    LayerNormalization: _normalization,
    Dense: _dense,
    Conv1D: _convolution,
    Embedding: _embedding,
    Masking: _masking,
}
