"""Layers that merge several inputs."""

from __future__ import annotations

from collections.abc import Sequence

from fastgru.layers.merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from fastgru.onnx.writer import NO_MASK, Applied, Writer, writes

__all__: list[str] = []

_OPS = {Add: "Sum", Average: "Mean", Maximum: "Max", Minimum: "Min", Multiply: "Mul", Subtract: "Sub"}


@writes(*_OPS)
def _elementwise(out: Writer, call: Applied) -> tuple[list[str], str]:
    kind = type(call.layer)
    masked = [mask for mask in call.masks if mask != NO_MASK]
    if masked and kind not in (Add, Average, Subtract):
        raise ValueError(f"layer {call.layer.name!r}: what it does with masks cannot be written as ONNX")
    rank = max(len(tensor.shape) for tensor in call.inputs)
    names = [
        out.unsqueezed(name, *range(1, 1 + rank - len(tensor.shape))) if len(tensor.shape) < rank else name
        for name, tensor in zip(call.names, call.inputs, strict=True)
    ]
    if kind is Multiply:
        y = names[0]
        for name in names[1:]:
            y = out.node("Mul", y, name)
    else:
        y = out.node(_OPS[kind], *names)
    return [y], _any(out, masked) if len(masked) == len(names) else NO_MASK


def _any(out: Writer, masks: Sequence[str]) -> str:
    mask, *others = masks
    for other in others:
        mask = mask if other == mask else out.node("Or", mask, other)
    return mask


@writes(Concatenate)
def _concatenate(out: Writer, call: Applied) -> tuple[list[str], str]:
    masked = {mask for mask in call.masks if mask != NO_MASK}
    axis = call.layer.axis
    if masked and (len(masked) > 1 or (len(masked) == 1 and NO_MASK in call.masks) or axis not in (-1, call.rank - 1)):
        raise ValueError(f"layer {call.layer.name!r}: unequal masks of what it joins cannot be written as ONNX")
    return [out.node("Concat", *call.names, axis=axis)], call.mask
