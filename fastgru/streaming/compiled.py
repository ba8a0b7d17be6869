"""Plans whose layers all are among those that the kernels step by themselves, without Python in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastgru import kernels
from fastgru.activations import Activation as Function
from fastgru.activations import leaky_relu
from fastgru.layers.activations.activation import Activation
from fastgru.layers.activations.rectifiers import ELU, LeakyReLU, PReLU, ReLU
from fastgru.layers.activations.softmax import Softmax
from fastgru.layers.convolutional.conv import Conv1D
from fastgru.layers.core.dense import Dense
from fastgru.layers.core.embedding import Embedding
from fastgru.layers.core.identity import Identity
from fastgru.layers.core.masking import Masking
from fastgru.layers.merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from fastgru.layers.normalization.batch_normalization import BatchNormalization
from fastgru.layers.normalization.layer_normalization import LayerNormalization
from fastgru.layers.preprocessing.normalization import Normalization
from fastgru.layers.preprocessing.rescaling import Rescaling
from fastgru.layers.regularization.activity_regularization import ActivityRegularization
from fastgru.layers.regularization.dropout import Dropout
from fastgru.layers.regularization.noise import AlphaDropout, GaussianDropout, GaussianNoise, SpatialDropout1D
from fastgru.layers.reshaping.reshaping import Flatten, Permute, Reshape
from fastgru.layers.rnn.gru import GRU
from fastgru.layers.rnn.lstm import LSTM
from fastgru.layers.rnn.simple_rnn import SimpleRNN
from fastgru.layers.rnn.time_distributed import TimeDistributed
from fastgru.layers.symbolic import Place
from fastgru.layers.workspace import Call
from fastgru.streaming.plan import Entry, Plan
from fastgru.types import Array

__all__ = ["NotCompiled", "compiled"]


class NotCompiled(Exception):
    """The kernels do not step a plan by themselves; the message is the reason, without a stop."""


class _Unknown(Exception):
    """An option of a layer is none that the kernels know."""


class _Value(NamedTuple):
    """A value of the stream: its number, and that of the mask that it carries or -1. A mask by itself has number -1."""

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
            values[entry.output] = _added(stream, plan, entry, call, _read(entry, values))
        except _Unknown:
            options = " with its options, or what it is handed" if type(layer) in _KINDS else ""
            kind = type(layer).__name__
            raise NotCompiled(f"the kernels do not step the layer {layer.name!r} ({kind}){options}") from None
    ends = [values[end].number for end in plan.ends]
    if 0 in ends:
        raise NotCompiled("it computes nothing")
    stream.end(ends)


def _input_of(plan: Plan) -> tuple[int, int]:
    """The numbers of a step's input, and how many words there are where it is a word."""
    model = plan.model
    sizes = model.inputs[0].shape[2:]
    words = [entry.layer.input_dim for entry in plan.entries if type(entry.layer) is Embedding and entry.inputs == (0,)]
    if words and not sizes:
        return 1, words[0]
    if len(sizes) != 1 or sizes[0] is None or model.input_dtype != plan.dtype:
        raise NotCompiled(f"its input is not one row of {plan.dtype} for each step")
    return sizes[0], 0


def _read(entry: Entry, values: dict[int, _Value]) -> list[_Value]:
    """What an entry reads, with the masks that are handed to it."""
    inputs = [values[number] for number in entry.inputs]
    if entry.masks is None:
        return inputs
    masks = [_Value(-1, -1) if number is None else values[number] for number in entry.masks]
    if any(mask.number >= 0 for mask in masks):
        raise _Unknown
    return [value._replace(mask=mask.mask) for value, mask in zip(inputs, masks, strict=True)]


def _added(stream: Any, plan: Plan, entry: Entry, call: Call, values: list[_Value]) -> _Value:
    """The value that a layer makes, added to the stream."""
    layer = entry.layer
    is_wrapped = type(layer) is TimeDistributed
    if is_wrapped:
        entry, layer = entry._replace(layer=layer.layer), layer.layer
    if type(layer).__name__ == "NotEqual" and not is_wrapped:
        return _mask_of_words(stream, entry)
    add = _KINDS.get(type(layer))
    if add is None or layer.runs_call or layer.dtype != plan.dtype or len(entry.shape) != 1:
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


def _activated(stream: Any, value: int, activation: Function, size: int, dtype: str) -> int:
    """A value of this size behind an activation."""
    if activation.kernel_id is not None:
        number: int = stream.add_activation(value, activation.kernel_id, False)
    elif activation.input_id is not None:
        number = stream.add_activation(value, activation.input_id, True)
    elif activation is leaky_relu:
        number = stream.add_prelu(value, np.full(size, 0.2, dtype))
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
    return (
        number if in_kernel is not None else _activated(stream, number, layer.activation, kernel.shape[1], layer.dtype)
    )


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


def _mask_of_words(stream: Any, entry: Entry) -> _Value:
    """What ``words != word`` makes: Keras's Functional writes so the mask that an embedding makes of zeros."""
    words, word = entry.layer._arguments[0] if len(entry.layer._arguments[0]) == 2 else (None, None)
    if entry.inputs != (0,) or not isinstance(words, Place) or type(word) is not int or not stream.tokens:
        raise _Unknown
    return _Value(-1, stream.add_word_mask(word))


def _masking(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    return _Value(*stream.add_masking(value.number, entry.layer.mask_value))


def _activation(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    layer = entry.layer
    if layer.options() or (isinstance(layer, Softmax) and value.mask >= 0):
        raise _Unknown
    return value._replace(number=_activated(stream, value.number, layer.activation, entry.shape[0], layer.dtype))


def _relu(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    options = entry.layer.options()
    if not options:
        return _activation(stream, entry, call, value)
    limit = options.pop("max_value")
    return value._replace(number=stream.add_relu(value.number, max_value=np.inf if limit is None else limit, **options))


def _prelu(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    layer = entry.layer
    alpha = np.array(layer.negative_slope, layer.dtype) if isinstance(layer, LeakyReLU) else call.value(layer.alpha)
    return value._replace(number=stream.add_prelu(value.number, _of_each(alpha, entry.shape[0], layer.dtype)))


def _affine(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    """Scale and shift of each feature, as the layer has them."""
    layer = entry.layer
    if isinstance(layer, BatchNormalization) and layer.axis not in (-1, 1 if entry.takes_rows else 2):
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


def _reshaped(stream: Any, entry: Entry, call: Call, value: _Value) -> _Value:
    """A row of numbers made of one: the same."""
    return value._replace(mask=-1)


def _merged(stream: Any, entry: Entry, call: Call, *values: _Value) -> _Value:
    layer, numbers = entry.layer, [value.number for value in values]
    if isinstance(layer, Concatenate):
        if layer.axis != -1 and layer.axis != (1 if entry.takes_rows else 2):
            raise _Unknown
        return _Value(number := stream.add_concatenation(numbers), _mask_of_any(stream, number, values))
    if isinstance(layer, (Multiply, Maximum, Minimum)) and any(value.mask >= 0 for value in values):
        raise _Unknown  # what is masked does not count in them
    number = stream.add_merge(numbers, type(layer).__name__)
    if isinstance(layer, Average):
        number = stream.add_quotient(number, len(values))
    return _Value(number, _mask_of_any(stream, number, values))


def _mask_of_any(stream: Any, number: int, values: Sequence[_Value]) -> int:
    """The mask of a merged value: what counts in one of them counts; one without a mask always does."""
    mask, *others = dict.fromkeys(value.mask for value in values)
    if mask < 0 or min(others, default=0) < 0:
        return -1
    for other in others:
        mask = stream.add_either_mask(number, mask, other)
    return mask


# exact classes: a subclass may compute something else
_KINDS: dict[type, Callable[..., _Value]] = {
    **dict.fromkeys((GRU, LSTM, SimpleRNN), _recurrent),
    **dict.fromkeys((BatchNormalization, Normalization, Rescaling), _affine),
    **dict.fromkeys((Activation, ELU, Softmax), _activation),
    **dict.fromkeys((LeakyReLU, PReLU), _prelu),
    **dict.fromkeys((AlphaDropout, Dropout, GaussianDropout, GaussianNoise, SpatialDropout1D), _same),
    **dict.fromkeys((ActivityRegularization, Identity), _same),
    **dict.fromkeys((Flatten, Permute, Reshape), _reshaped),
    **dict.fromkeys((Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract), _merged),
    ReLU: _relu,
    LayerNormalization: _normalization,
    Dense: _dense,
    Conv1D: _convolution,
    Embedding: _embedding,
    Masking: _masking,
}
