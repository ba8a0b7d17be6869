"""Shapes that follow from those of other tensors: a graph that fastgru opened goes out as it came in."""

from __future__ import annotations

import functools
from typing import Any

from fastgru.onnx.sized import Sized
from fastgru.onnx.writer import NO_MASK, Applied, Writer, writes

__all__: list[str] = []


def _size(out: Writer, names: list[str], form: Any) -> str:
    """A size (1,) of 64 bits, of the form that `fastgru.onnx.sizes.Size.form` gives it."""
    if isinstance(form, int):
        return out.axes(form)
    terms = []
    for count, factors in form:
        numbers = [_factor(out, names, factor) for factor in factors]
        numbers += [out.axes(count)] if count != 1 or not factors else []
        terms.append(functools.reduce(functools.partial(out.node, "Mul"), numbers))
    return functools.reduce(functools.partial(out.node, "Add"), terms)


def _factor(out: Writer, names: list[str], factor: Any) -> str:
    first, second = factor
    if isinstance(first, int):
        return out.node("Shape", names[first], start=second, end=second + 1)
    return out.node("Div", _size(out, names, first), _size(out, names, second))


@writes(Sized)
def _sized(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    sizes = [_size(out, call.names, form) for form in layer.sizes]

    def joined(parts: list[str]) -> str:
        return out.node("Concat", *parts, axis=0)

    if layer.action == "slice":
        axes, steps = zip(*layer.value, strict=True)
        y = out.node("Slice", call.name, joined(sizes[::2]), joined(sizes[1::2]), out.axes(*axes), out.axes(*steps))
    elif layer.action == "reshape":
        y = out.node("Reshape", call.name, joined(sizes), allowzero=1)
    elif layer.action == "broadcast":
        y = out.node("Expand", call.name, joined(sizes))
    elif layer.action == "fill":
        y = out.node("Expand", out.constant(layer.value, layer.kind), joined(sizes))
    else:
        of_range = layer.action == "arange"
        y = out.node("Range", *(out.squeezed(one, 0) for one in sizes)) if of_range else joined(sizes)
        y = y if layer.kind == "int64" else out.cast(y, layer.kind)
    return [y], NO_MASK
