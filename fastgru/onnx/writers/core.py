"""Dense, Embedding, masks, layers that only act in training, and those that only move numbers."""

from __future__ import annotations

from typing import Any

from fastgru.layers.core.dense import Dense
from fastgru.layers.core.embedding import Embedding
from fastgru.layers.core.identity import Identity
from fastgru.layers.core.masking import Masking
from fastgru.layers.regularization.activity_regularization import ActivityRegularization
from fastgru.layers.regularization.dropout import Dropout
from fastgru.layers.regularization.noise import (
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
)
from fastgru.layers.reshaping.padding import Cropping1D, ZeroPadding1D
from fastgru.layers.reshaping.reshaping import Flatten, Permute, RepeatVector, Reshape
from fastgru.layers.reshaping.up_sampling import UpSampling1D
from fastgru.onnx.writer import NO_MASK, Applied, Writer, writes
from fastgru.onnx.writers.activations import activated

__all__: list[str] = []


@writes(
    Dropout, SpatialDropout1D, SpatialDropout2D, AlphaDropout, GaussianDropout, GaussianNoise, ActivityRegularization,
    Identity,
)  # fmt: skip
def _nothing(out: Writer, call: Applied) -> tuple[list[str], str]:
    return [call.name], call.mask


@writes(Dense)
def _dense(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    y = out.node("MatMul", call.name, out.weight(layer, layer.kernel))
    if layer.bias is not None:
        y = out.node("Add", y, out.weight(layer, layer.bias))
    return [activated(out, layer, layer.activation, y, layer.dtype)], call.mask


@writes(Embedding)
def _embedding(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    tokens = call.name if call.inputs[0].dtype == "int64" else out.cast(call.name, "int64")
    y = out.node("Gather", out.weight(layer, layer.embeddings), tokens)
    if not layer.mask_zero:
        return [y], NO_MASK
    return [y], out.node("Not", out.node("Equal", tokens, out.constant(0, "int64")))


@writes(Masking)
def _masking(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    differs = out.node("Not", out.node("Equal", call.name, out.constant(layer.mask_value, layer.dtype)))
    used = out.node("ReduceMax", out.cast(differs, layer.dtype), axes=[-1], keepdims=1)
    y = out.node("Where", out.cast(used, "bool"), call.name, out.constant(0, layer.dtype))
    return [y], out.cast(out.squeezed(used, -1), "bool")


# --- numbers moved ----------------------------------------------------------------------------------------------------


def _channels_last(call: Applied) -> None:
    if call.layer.data_format != "channels_last":
        raise ValueError(f"layer {call.layer.name!r}: data_format 'channels_first' cannot be written as ONNX here")


@writes(Flatten)
def _flatten(out: Writer, call: Applied) -> tuple[list[str], str]:
    _channels_last(call)
    return [out.node("Flatten", call.name, axis=1)], NO_MASK


@writes(Reshape)
def _reshape(out: Writer, call: Applied) -> tuple[list[str], str]:
    return [out.shape_with(call.name, None, *call.layer.target_shape)], NO_MASK


@writes(Permute)
def _permute(out: Writer, call: Applied) -> tuple[list[str], str]:
    return [out.transposed(call.name, 0, *call.layer.dims)], NO_MASK


@writes(RepeatVector)
def _repeat(out: Writer, call: Applied) -> tuple[list[str], str]:
    return [out.node("Tile", out.unsqueezed(call.name, 1), out.axes(1, call.layer.n, 1))], NO_MASK


@writes(ZeroPadding1D)
def _padding(out: Writer, call: Applied) -> tuple[list[str], str]:
    _channels_last(call)
    low, high = call.layer.padding
    return [out.node("Pad", call.name, out.axes(0, low, 0, 0, high, 0))], NO_MASK


@writes(Cropping1D)
def _cropping(out: Writer, call: Applied) -> tuple[list[str], str]:
    _channels_last(call)
    low, high = call.layer.cropping
    end: Any = -high if high else 2**62
    bounds = (out.constant([one], "int64") for one in (low, end, 1))
    return [out.node("Slice", call.name, *bounds)], NO_MASK


@writes(UpSampling1D)
def _up_sampling(out: Writer, call: Applied) -> tuple[list[str], str]:
    _channels_last(call)
    size = call.layer.size
    times = size if isinstance(size, int) else size[0]
    spread = out.node("Tile", out.unsqueezed(call.name, 2), out.axes(1, 1, times, 1))
    return [out.shape_with(spread, None, -1, call.inputs[0].shape[-1])], NO_MASK
