"""Convolutions and pooling over one or two spatial axes; their layers have the channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import ops
from fastgru.layers.convolutional.conv import Conv1D, Conv2D
from fastgru.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    MaxPooling1D,
    MaxPooling2D,
)
from fastgru.onnx.drawing import Drawing, Value, bounded, operator
from fastgru.onnx.graph import GraphNode
from fastgru.onnx.layout import Laid
from fastgru.onnx.sizes import Size

__all__: list[str] = []

_CONVOLUTIONS = {1: Conv1D, 2: Conv2D}
_POOLS: dict[tuple[str, int], Any] = {
    ("MaxPool", 1): MaxPooling1D, ("MaxPool", 2): MaxPooling2D,
    ("AveragePool", 1): AveragePooling1D, ("AveragePool", 2): AveragePooling2D,
}  # fmt: skip


def _channels_last(x: Laid) -> Laid:
    """(B, C, ...) with the channels last, as it is computed."""
    rank = len(x.sizes)
    last = x.transposed([0, *range(2, rank), 1])
    return Laid.plain(last.tensor(), last.sizes)


def _channels_first(drawing: Drawing, y: Any, sizes: Sequence[Any]) -> Laid:
    rank = len(y.shape)
    return drawing.laid_out(y, sizes).transposed([0, rank - 1, *range(1, rank - 1)])


def _pads(drawing: Drawing, node: GraphNode, sizes: Sequence[Any], windows: Sequence[int]) -> list[tuple[int, int]]:
    """How many cells stand before and behind each spatial axis; `windows` are the sizes with dilation."""
    mode = node.attributes.get("auto_pad", "NOTSET")
    strides = node.attributes.get("strides", [1] * len(windows))
    if mode in ("NOTSET", ""):
        pads = node.attributes.get("pads", [0] * 2 * len(windows))
        return list(zip(pads[: len(windows)], pads[len(windows) :], strict=True))
    if mode == "VALID":
        return [(0, 0)] * len(windows)
    pairs = []
    for size, window, stride in zip(sizes, windows, strides, strict=True):
        if stride == 1:
            missing = window - 1
        elif isinstance(size, Size):
            drawing.refuse(node, f"pads by {mode} an axis whose size is not known; export it with pads")
        else:
            missing = max((-(-size // stride) - 1) * stride + window - size, 0)
        less, more = missing // 2, missing - missing // 2
        pairs.append((less, more) if mode == "SAME_UPPER" else (more, less))
    return pairs


def _padded(x: Laid, pads: Sequence[tuple[int, int]], fill: float) -> Any:
    """The tensor (B, ..., C) with cells around its spatial axes."""
    if not any(map(any, pads)):
        return x.base
    bounded([size + sum(pair) for size, pair in zip(x.sizes, [(0, 0), *pads, (0, 0)], strict=True)])
    return ops.pad(x.base, [(0, 0), *pads, (0, 0)], constant_values=fill)


def _windowed(sizes: Sequence[Any], pads: Any, windows: Sequence[int], strides: Sequence[int]) -> list[Any]:
    return [
        (size + low + high - window) // stride + 1
        for size, (low, high), window, stride in zip(sizes, pads, windows, strides, strict=True)
    ]


@operator("Conv")
def _conv(drawing: Drawing, node: GraphNode, x: Value, weights: Value, bias: Value = None) -> Value:
    kernel = drawing.constant(node, weights, "weights")
    if kernel.ndim - 2 not in _CONVOLUTIONS:
        drawing.refuse(node, f"has {kernel.ndim - 2} spatial axes; fastgru convolves over one or two")
    x = _channels_last(drawing.as_laid(x))
    channels, spatial = x.sizes[-1], x.sizes[1:-1]
    groups = node.attributes.get("group", 1)
    strides = node.attributes.get("strides", [1] * len(spatial))
    dilations = node.attributes.get("dilations", [1] * len(spatial))
    windows = [(size - 1) * step + 1 for size, step in zip(kernel.shape[2:], dilations, strict=True)]
    pads = _pads(drawing, node, spatial, windows)
    if max(strides) > 1 and max(dilations) > 1:
        drawing.refuse(node, "has both strides and dilations, which fastgru does not")
    layer = _CONVOLUTIONS[len(spatial)](
        kernel.shape[0], tuple(kernel.shape[2:]), strides=tuple(strides), dilation_rate=tuple(dilations),
        groups=groups, use_bias=bias is not None, dtype=kernel.dtype.name, data_format="channels_last",
    )  # fmt: skip
    if isinstance(channels, Size):
        drawing.refuse(node, "takes channels whose number is not known")
    y = layer(_padded(x, pads, 0.0))
    arrays = [kernel.transpose([*range(2, kernel.ndim), 1, 0])]
    layer.set_weights(arrays if bias is None else [*arrays, drawing.constant(node, bias, "bias")])
    sizes = [x.sizes[0], *_windowed(spatial, pads, windows, strides), kernel.shape[0]]
    return _channels_first(drawing, y, sizes)


@operator("MaxPool", "AveragePool")
def _pool(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    windows = node.attributes["kernel_shape"]
    if node.attributes.get("ceil_mode") or any(one != 1 for one in node.attributes.get("dilations", [1])):
        drawing.refuse(node, "pools with ceil_mode or dilations, which fastgru does not")
    if (node.op, len(windows)) not in _POOLS or (len(node.outputs) > 1 and node.outputs[1]):
        drawing.refuse(node, "expected one or two spatial axes, and one output")
    x = _channels_last(drawing.as_laid(x))
    spatial = x.sizes[1:-1]
    strides = node.attributes.get("strides", [1] * len(windows))
    pads = _pads(drawing, node, spatial, windows)
    if node.op == "AveragePool" and any(map(any, pads)) and not node.attributes.get("count_include_pad"):
        drawing.refuse(node, "averages without the padded cells (count_include_pad=0) over pads")
    fill = -np.inf if node.op == "MaxPool" else 0.0
    layer = _POOLS[node.op, len(windows)](
        tuple(windows), tuple(strides), data_format="channels_last", dtype=x.base.dtype
    )
    sizes = [x.sizes[0], *_windowed(spatial, pads, windows, strides), x.sizes[-1]]
    return _channels_first(drawing, layer(_padded(x, pads, float(fill))), sizes)


@operator("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    x = drawing.as_laid(x)
    sizes = x.sizes
    spatial = len(sizes) - 2
    if spatial == 1:
        x = _channels_last(x)
        layer = GlobalAveragePooling1D if node.op == "GlobalAveragePool" else GlobalMaxPooling1D
        pooled = drawing.laid_out(layer(dtype=x.base.dtype, data_format="channels_last")(x.base), sizes[:2])
        return pooled.expanded([2])
    function = ops.mean if node.op == "GlobalAveragePool" else ops.amax
    axes = tuple(range(2, 2 + spatial))
    return drawing.applied(lambda x: function(x, axis=axes, keepdims=True), x, sizes=[*sizes[:2], *[1] * spatial])
