"""Which layers go through a sequence step by step, and why the others cannot."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import tree
from fastgru.layers.activations.activation import ActivationLayer
from fastgru.layers.activations.rectifiers import PReLU
from fastgru.layers.activations.softmax import Softmax
from fastgru.layers.attention import Attention
from fastgru.layers.convolutional.conv import Conv1D
from fastgru.layers.convolutional.conv_transpose import Conv1DTranspose
from fastgru.layers.convolutional.windows import SpatialLayer
from fastgru.layers.core.dense import Dense
from fastgru.layers.core.einsum_dense import EinsumDense
from fastgru.layers.core.embedding import Embedding
from fastgru.layers.core.identity import Identity
from fastgru.layers.core.lambda_layer import Lambda
from fastgru.layers.core.masking import Masking
from fastgru.layers.layer import Layer
from fastgru.layers.merging import Concatenate, Dot, ElementwiseMerge
from fastgru.layers.multi_head_attention import MultiHeadAttention
from fastgru.layers.normalization.batch_normalization import BatchNormalization
from fastgru.layers.normalization.layer_normalization import LayerNormalization
from fastgru.layers.normalization.rms_normalization import RMSNormalization
from fastgru.layers.normalization.unit_normalization import UnitNormalization
from fastgru.layers.pooling import GlobalPooling, Pooling
from fastgru.layers.preprocessing.normalization import Normalization
from fastgru.layers.preprocessing.rescaling import Rescaling
from fastgru.layers.regularization.dropout import Dropout
from fastgru.layers.regularization.noise import Gaussian
from fastgru.layers.reshaping.reshaping import Flatten, Permute, RepeatVector, Reshape
from fastgru.layers.rnn.bidirectional import Bidirectional
from fastgru.layers.rnn.conv_lstm_1d import ConvLSTM1D
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.rnn import RNN, OwnCellRNN
from fastgru.layers.rnn.sequence_layer import SequenceLayer
from fastgru.layers.rnn.time_distributed import TimeDistributed
from fastgru.layers.symbolic import Place
from fastgru.operations.operation import Operation

__all__ = ["is_last_step", "reason_against", "reason_against_rows"]

# layers whose output at a step is that of this step's input alone, where their axes are not the steps
_OF_EACH_STEP = (
    ActivationLayer, BatchNormalization, Concatenate, Dense, Dropout, ElementwiseMerge, Embedding, Gaussian, Identity,
    LayerNormalization, Masking, Normalization, PReLU, RMSNormalization, Rescaling, UnitNormalization,
)  # fmt: skip
# layers that need more than the steps so far, or as many of them as there are
_WHOLE_SEQUENCES: tuple[tuple[tuple[type, ...], str], ...] = (
    ((Bidirectional,), "it reads the sequence from its end, too"),
    ((Pooling, GlobalPooling), "it pools over time"),
    ((Attention, MultiHeadAttention), "each step attends to all the others"),
    ((Flatten, Reshape, Permute, RepeatVector), "it moves the steps of the sequence to another axis"),
    ((SpatialLayer,), "its output has other steps than its input, or looks ahead"),
)
# layers that sum over numbers of several rows at once, in an order that depends on how many there are
_SUM_IN_COMPANY = (Attention, Conv1DTranspose, ConvLSTM1D, Dot, EinsumDense, MultiHeadAttention)
# operations that make each number of their output of the numbers in its place
_NUMBER_BY_NUMBER = """
Absolute Add Cast Ceil Clip Cos Divide Elu Equal Erf Exp Expm1 Floor Gelu Greater GreaterEqual HardSigmoid HardSilu
HardTanh Isfinite Isinf Isnan LeakyRelu Less LessEqual Log Log1p LogSigmoid LogicalAnd LogicalNot LogicalOr Maximum
Minimum Mod Multiply Negative NotEqual Power Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Silu Sin Softplus
Softsign Sqrt Square Subtract Tanh TrueDivide Where
"""
_STEPS = 1  # the axis of the steps in a batch (B, T, ...)


def is_last_step(layer: Layer) -> bool:
    """Whether it is the operation ``x[:, -1]``, which makes the answer so far of a sequence."""
    if not isinstance(layer, Operation) or type(layer).__name__ != "GetItem":
        return False
    (_, key), _ = layer._arguments
    of_axes = key if isinstance(key, tuple) and all(isinstance(one, (int, slice)) for one in key) else ()
    return of_axes[:2] == (slice(None), -1) and all(one == slice(None) for one in of_axes[2:])


def reason_against(layer: Any) -> str | None:
    """Why a layer cannot take the steps of a sequence (B, T, ...) one by one; None where it can."""
    if (reason := _reason_of_own(layer)) is not None:
        return reason
    if isinstance(layer, SequenceLayer):
        return _reason_of_recurrent(layer)
    if isinstance(layer, Conv1D):
        return _reason_of_convolution(layer)
    if isinstance(layer, TimeDistributed):
        reason = reason_against_rows(layer.layer)
        return None if reason is None else f"of the layer {layer.layer.name!r} in it {reason}"
    if isinstance(layer, Operation):
        return None
    if isinstance(layer, _OF_EACH_STEP):
        return "it works along the axis of the steps" if _works_along_steps(layer) else None
    reasons = (reason for kinds, reason in _WHOLE_SEQUENCES if isinstance(layer, kinds))
    return next(reasons, f"a {type(layer).__name__} is not known to need the steps so far alone")


def reason_against_rows(layer: Any) -> str | None:
    """Why a layer cannot take rows (B, ...), each of which is the answer so far of a session; None where it can."""
    if (reason := _reason_of_own(layer)) is not None:
        return reason
    if isinstance(layer, _SUM_IN_COMPANY):
        return f"a {type(layer).__name__} may give a row other bits in other company"
    if layer.stateful:
        return "it is stateful behind the answer so far, and would go on from its last call, whose ever that was"
    inner = (reason_against_rows(one) for one in layer.sublayers)
    return next((reason for reason in inner if reason is not None), None)


def _reason_of_own(layer: Any) -> str | None:
    if isinstance(layer, OwnCellRNN):
        return "its cell is your own, and runs in Python"
    if type(layer).is_own or isinstance(layer, Lambda):
        return "it is your own, and might look at any step and any row"
    if isinstance(layer, Operation):
        return _reason_of_operation(layer)
    is_coupled = layer.couples_rows and not layer.runs_call
    return "what it makes of a row depends on the rows beside it" if is_coupled else None


def _reason_of_operation(layer: Operation) -> str | None:
    if type(layer).__name__ not in _NUMBER_BY_NUMBER.split():
        return "it is an operation that may join steps or rows; a layer says which"
    if any(np.ndim(leaf) for leaf in tree.flatten([layer._arguments, layer.settings]) if not isinstance(leaf, Place)):
        return "one of its operands is an array, which may have a number for each step"
    return None


def _reason_of_recurrent(layer: Any) -> str | None:
    if not isinstance(layer, (Recurrent, RNN)):
        return f"the steps of a {type(layer).__name__} run in Python"
    return "it goes backwards, from the end of the sequence" if layer.go_backwards else None


def _reason_of_convolution(layer: Conv1D) -> str | None:
    if layer.data_format != "channels_last":
        return "its data_format is 'channels_first', which has the steps behind the channels"
    if layer.strides[0] > 1:
        return f"its strides are {layer.strides[0]}: it has no output for each step"
    if layer.padding != "causal" and layer.windows.spans[0] > 1:
        return f"its padding is {layer.padding!r}: it looks ahead, or has no output for the first steps; use 'causal'"
    return None


def _works_along_steps(layer: Any) -> bool:
    """Whether an axis that a layer treats number by number, or all at once, is that of the steps."""
    if isinstance(layer, PReLU):
        return _STEPS not in (layer.shared_axes or ())
    if not isinstance(layer, (BatchNormalization, Concatenate, LayerNormalization, Normalization, RMSNormalization,
                              Softmax, UnitNormalization)):  # fmt: skip
        return False
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    ndim = len(layer.nodes[0].inputs[0].shape) if layer.nodes else 3
    return any(axis % ndim == _STEPS for axis in axes)
