"""Normalizations, as they are in prediction."""

from __future__ import annotations

import numpy as np

from fastgru.layers.normalization.batch_normalization import BatchNormalization
from fastgru.layers.normalization.layer_normalization import LayerNormalization
from fastgru.layers.normalization.rms_normalization import RMSNormalization
from fastgru.layers.normalization.unit_normalization import UnitNormalization
from fastgru.onnx.writer import Applied, Writer, writes

__all__: list[str] = []


@writes(BatchNormalization)
def _batch(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    axis = (layer.axis if isinstance(layer.axis, int) else layer.axis[0]) % call.rank
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    scale = (layer.gamma.value if layer.scale else np.ones_like(mean)) / np.sqrt(variance + layer.epsilon)
    offset = (layer.beta.value if layer.center else np.zeros_like(mean)) - mean * scale
    shape = (-1,) + (1,) * (call.rank - 1 - axis)
    y = out.node("Mul", call.name, out.constant(scale.reshape(shape), layer.dtype, "scale"))
    return [out.node("Add", y, out.constant(offset.reshape(shape), layer.dtype, "offset"))], call.mask


@writes(LayerNormalization)
def _layer(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    axes = sorted(axis % call.rank for axis in np.atleast_1d(layer.axis).tolist())
    if axes != list(range(axes[0], call.rank)) or layer.rms_scaling:
        raise ValueError(
            f"layer {layer.name!r}: only over the last axes, and without rms_scaling, can it be written as ONNX"
        )
    shape = [call.inputs[0].shape[axis] for axis in axes]
    gamma = out.weight(layer, layer.gamma) if layer.scale else out.constant(np.ones(shape), layer.dtype, "gamma")
    weights = [gamma, out.weight(layer, layer.beta)] if layer.center else [gamma]
    y = out.node("LayerNormalization", call.name, *weights, axis=axes[0] - call.rank, epsilon=float(layer.epsilon))
    return [y], call.mask


@writes(RMSNormalization)
def _rms(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    if np.atleast_1d(layer.axis).tolist() not in ([-1], [call.rank - 1]):
        raise ValueError(f"layer {layer.name!r}: only over the last axis can it be written as ONNX")
    mean = out.node("ReduceMean", out.node("Mul", call.name, call.name), axes=[-1], keepdims=1)
    root = out.node("Sqrt", out.node("Add", mean, out.constant(layer.epsilon, layer.dtype)))
    return [out.node("Mul", out.node("Div", call.name, root), out.weight(layer, layer.scale))], call.mask


@writes(UnitNormalization)
def _unit(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    axes = np.atleast_1d(layer.axis).tolist()
    sums = out.node("ReduceSumSquare", call.name, axes=axes, keepdims=1)
    root = out.node("Sqrt", out.node("Max", sums, out.constant(1e-12, layer.dtype)))
    return [out.node("Div", call.name, root)], call.mask
