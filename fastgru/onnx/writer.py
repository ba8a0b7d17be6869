"""A graph of ONNX in the making: nodes, constants, and the names of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgru.layers.symbolic import SymbolicTensor
from fastgru.onnx.schema import NUMBERS
from fastgru.onnx.tensors import tensor_of
from fastgru.types import Array

__all__ = ["NO_MASK", "WRITERS", "Applied", "Writer", "writes"]

NO_MASK = ""  # the name of a mask that is not there


class Applied(NamedTuple):
    """One application of a layer: what goes in, by the names of its values and as symbolic tensors."""

    layer: Any
    names: list[str]
    masks: list[str]  # of each input, `NO_MASK` where it has none
    inputs: Sequence[SymbolicTensor]
    outputs: Sequence[SymbolicTensor]

    @property
    def name(self) -> str:
        """The first input."""
        return self.names[0]

    @property
    def mask(self) -> str:
        """The mask of the first input."""
        return self.masks[0] if self.masks else NO_MASK

    @property
    def rank(self) -> int:
        """The number of axes of the first input."""
        return len(self.inputs[0].shape)


#: puts the nodes of a layer into a graph: the names of its outputs, and the mask that the first of them carries
Write = Callable[["Writer", Applied], tuple[list[str], str]]
WRITERS: dict[type, Write] = {}


def writes(*classes: Any) -> Callable[[Write], Write]:
    """Decorator: the function writes the layers of these classes."""

    def add(write: Write) -> Write:
        WRITERS.update(dict.fromkeys(classes, write))
        return write

    return add


class Writer:
    """Nodes and constants in the order in which they are made.

    Attributes
    ----------
    nodes, constants : list of dict
        Records of `fastgru.onnx.schema`.
    """

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.constants: list[dict[str, Any]] = []
        self._names: set[str] = set()
        self._layer = ""
        self._known: dict[tuple[Any, ...], str] = {}

    def enter(self, layer: str) -> None:
        """Say of which layer the next nodes are."""
        self._layer = layer

    def reserve(self, name: str) -> str:
        """A name that nothing else gets."""
        self._names.add(name)
        return name

    def _new(self, ending: str) -> str:
        stem = f"{self._layer}/{ending}"
        number, name = 0, stem
        while name in self._names:
            number += 1
            name = f"{stem}_{number}"
        return self.reserve(name)

    def constant(self, value: Any, dtype: Any = None, name: str = "constant") -> str:
        """An array of the file; the same small one stands in it once."""
        array = np.asarray(value, dtype)
        key = (array.tobytes(), array.shape, array.dtype.name) if array.size <= 16 else None
        if key in self._known:
            return self._known[key]
        known = self._new(name)
        self.constants.append(tensor_of(known, array))
        if key is not None:
            self._known[key] = known
        return known

    def nodes_of(self, op: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """A node with several outputs: their names."""
        outputs = [self._new(op) for _ in range(count)]
        self.put(op, inputs, outputs, **attributes)
        return outputs

    def put(self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """A node whose outputs have these names."""
        written = [_attribute(name, value) for name, value in attributes.items() if value is not None]
        self.nodes.append(
            {"op_type": op, "name": outputs[0], "input": list(inputs), "output": list(outputs), "attribute": written}
        )

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output: its name."""
        return self.nodes_of(op, inputs, 1, **attributes)[0]

    # --- what stands in many layers -----------------------------------------------------------------

    def cast(self, x: str, dtype: str) -> str:
        return self.node("Cast", x, to=NUMBERS[dtype])

    def axes(self, *axes: int) -> str:
        """A list of axes, or of sizes, as a value."""
        return self.constant(list(axes), "int64", "axes")

    def unsqueezed(self, x: str, *axes: int) -> str:
        return self.node("Unsqueeze", x, self.axes(*axes))

    def squeezed(self, x: str, *axes: int) -> str:
        return self.node("Squeeze", x, self.axes(*axes))

    def transposed(self, x: str, *order: int) -> str:
        return x if order == tuple(range(len(order))) else self.node("Transpose", x, perm=list(order))

    def reversed(self, x: str, axis: int) -> str:
        """With an axis from its end."""
        ends = (self.constant([one], "int64") for one in (-1, np.iinfo("int64").min, axis, -1))
        return self.node("Slice", x, *ends)

    def shape_with(self, x: str, *sizes: int | None) -> str:
        """A shape for Reshape: 0 in the place of a size that stays, -1 of what is left over."""
        return self.node("Reshape", x, self.axes(*[0 if size is None else size for size in sizes]))

    def weight(self, layer: Any, weight: Any, change: Callable[[Array], Array] = np.asarray) -> str:
        """A weight of a layer as a constant."""
        return self.constant(np.ascontiguousarray(change(weight.value)), name=weight.name)


def _attribute(name: str, value: Any) -> dict[str, Any]:
    """An AttributeProto."""
    if isinstance(value, str):
        return {"name": name, "s": value.encode(), "type": 3}
    if isinstance(value, float):
        return {"name": name, "f": value, "type": 1}
    if isinstance(value, int):
        return {"name": name, "i": int(value), "type": 2}
    if value and isinstance(value[0], str):
        return {"name": name, "strings": [one.encode() for one in value], "type": 8}
    if value and isinstance(value[0], float):
        return {"name": name, "floats": value, "type": 6}
    return {"name": name, "ints": [int(one) for one in value], "type": 7}
