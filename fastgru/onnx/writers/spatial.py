"""Convolutions and pooling: their layers have the channels last, ONNX first."""

from __future__ import annotations

from typing import Any

from fastgru.layers.convolutional.conv import Conv1D, Conv2D
from fastgru.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from fastgru.onnx.writer import NO_MASK, Applied, Writer, writes
from fastgru.onnx.writers.activations import activated

__all__: list[str] = []


def _first(out: Writer, call: Applied) -> str:
    rank = call.rank
    last = call.layer.data_format == "channels_last"
    return out.transposed(call.name, 0, rank - 1, *range(1, rank - 1)) if last else call.name


def _back(out: Writer, call: Applied, y: str) -> str:
    last = call.layer.data_format == "channels_last"
    return out.transposed(y, 0, *range(2, call.rank), 1) if last else y


def _padding(call: Applied, windows: list[int]) -> dict[str, Any]:
    """The attributes that say how cells are padded; `windows` are the sizes with dilation."""
    layer = call.layer
    if layer.padding == "valid":
        return {}
    if layer.padding == "causal":
        return {"pads": [*(window - 1 for window in windows), *(0 for _ in windows)]}
    if max(layer.strides) > 1:
        return {"auto_pad": "SAME_UPPER"}
    low = [(window - 1) // 2 for window in windows]
    return {"pads": [*low, *(window - 1 - one for window, one in zip(windows, low, strict=True))]}


@writes(Conv1D, Conv2D)
def _conv(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    rank = len(layer.kernel_size)
    windows = [(size - 1) * step + 1 for size, step in zip(layer.kernel_size, layer.dilation_rate, strict=True)]
    kernel = out.weight(layer, layer.kernel, lambda value: value.transpose(rank + 1, rank, *range(rank)))
    weights = [kernel] if layer.bias is None else [kernel, out.weight(layer, layer.bias)]
    y = out.node(
        "Conv", _first(out, call), *weights, kernel_shape=list(layer.kernel_size), strides=list(layer.strides),
        dilations=list(layer.dilation_rate), group=layer.groups, **_padding(call, windows),
    )  # fmt: skip
    if layer.activation.name in ("softmax", "log_softmax"):  # over the last axis
        return [activated(out, layer, layer.activation, _back(out, call, y), layer.dtype)], NO_MASK
    return [_back(out, call, activated(out, layer, layer.activation, y, layer.dtype))], NO_MASK


@writes(MaxPooling1D, MaxPooling2D, AveragePooling1D, AveragePooling2D)
def _pool(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    op = "MaxPool" if isinstance(layer, (MaxPooling1D, MaxPooling2D)) else "AveragePool"
    windows = list(layer.pool_size)
    y = out.node(op, _first(out, call), kernel_shape=windows, strides=list(layer.strides), **_padding(call, windows))
    return [_back(out, call, y)], NO_MASK


@writes(GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalAveragePooling1D, GlobalAveragePooling2D)
def _global(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    first = 1 if layer.data_format == "channels_last" else 2
    axes = list(range(first, first + call.rank - 2))
    keep = int(layer.keepdims)
    if isinstance(layer, (GlobalMaxPooling1D, GlobalMaxPooling2D)):
        return [out.node("ReduceMax", call.name, axes=axes, keepdims=keep)], NO_MASK
    if call.mask == NO_MASK:
        return [out.node("ReduceMean", call.name, axes=axes, keepdims=keep)], NO_MASK
    used = out.unsqueezed(call.mask, 3 - first)
    used_numbers = out.node("Where", used, call.name, out.constant(0, layer.dtype))
    sums = out.node("ReduceSum", used_numbers, out.axes(*axes), keepdims=keep)
    count = out.node("ReduceSum", out.cast(used, layer.dtype), out.axes(*axes), keepdims=keep)
    return [out.node("Div", sums, count)], NO_MASK
