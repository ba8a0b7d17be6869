"""Normalizations: as layers where their weights are in the file."""

from __future__ import annotations

from typing import Any

from fastgru import ops
from fastgru.layers.normalization.batch_normalization import BatchNormalization
from fastgru.layers.normalization.layer_normalization import LayerNormalization
from fastgru.onnx.drawing import Drawing, Value, is_constant, operator
from fastgru.onnx.graph import GraphNode
from fastgru.onnx.layout import Laid

__all__: list[str] = []


@operator("BatchNormalization")
def _batch(drawing: Drawing, node: GraphNode, x: Value, *weights: Value) -> Value:
    if node.attributes.get("training_mode") or any(node.outputs[1:]):
        drawing.refuse(node, "is exported for training; export the model for inference")
    arrays = [drawing.constant(node, one, "weights") for one in weights]
    x = drawing.as_laid(x)
    rank = len(x.sizes)
    last = x.transposed([0, *range(2, rank), 1])
    last = last if last.ends_alike else Laid.plain(last.tensor(), last.sizes)
    layer = BatchNormalization(epsilon=node.attributes.get("epsilon", 1e-5), dtype=x.base.dtype)
    y = layer(last.base)
    layer.set_weights(arrays)
    return last.on(y).transposed([0, rank - 1, *range(1, rank - 1)])


@operator("LayerNormalization")
def _layer(drawing: Drawing, node: GraphNode, x: Value, scale: Value, bias: Value = None) -> Value:
    rank = len(drawing.sizes_of(x))
    axis = node.attributes.get("axis", -1) % rank
    if any(name for name in node.outputs[1:]):
        drawing.refuse(node, "is exported for training; export the model for inference")
    epsilon = node.attributes.get("epsilon", 1e-5)
    is_layer = is_constant(scale) and (bias is None or is_constant(bias)) and isinstance(x, Laid)
    if is_layer and axis == rank - 1 and scale.size == x.sizes[-1]:
        x = x if x.ends_alike else Laid.plain(x.tensor(), x.sizes)
        layer = LayerNormalization(epsilon=epsilon, center=bias is not None, dtype=x.base.dtype)
        y = layer(x.base)
        layer.set_weights([one.reshape(-1) for one in (scale, bias) if one is not None])
        return x.on(y)
    axes = tuple(range(axis, rank))
    y = drawing.applied(lambda x: _standardized(x, axes, epsilon), x, sizes=drawing.sizes_of(x))
    y = drawing.elementwise(ops.multiply, y, scale)
    return y if bias is None else drawing.elementwise(ops.add, y, bias)


def _standardized(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    centered = ops.subtract(x, ops.mean(x, axes, True))
    return ops.divide(centered, ops.sqrt(ops.add(ops.mean(ops.square(centered), axes, True), epsilon)))


@operator("InstanceNormalization")
def _instance(drawing: Drawing, node: GraphNode, x: Value, scale: Value, bias: Value) -> Value:
    x = drawing.as_laid(x)
    rank = len(x.sizes)
    shape = (-1,) + (1,) * (rank - 2)
    weights = [drawing.constant(node, one, "weights").reshape(shape) for one in (scale, bias)]
    axes, epsilon = tuple(range(2, rank)), node.attributes.get("epsilon", 1e-5)
    y = drawing.applied(lambda x: _standardized(x, axes, epsilon), x, sizes=x.sizes)
    return drawing.elementwise(ops.add, drawing.elementwise(ops.multiply, y, weights[0]), weights[1])


@operator("LpNormalization")
def _lp(drawing: Drawing, node: GraphNode, x: Value) -> Value:
    axis, order = node.attributes.get("axis", -1), node.attributes.get("p", 2)

    def normalized(x: Any) -> Any:
        sums = ops.sum(ops.absolute(x), axis, True) if order == 1 else ops.sqrt(ops.sum(ops.square(x), axis, True))
        return ops.divide_no_nan(x, sums)

    return drawing.applied(normalized, x, sizes=drawing.sizes_of(x))
