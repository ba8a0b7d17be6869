"""Layers whose output has sizes that depend on those of other tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.layers.layer import Layer
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.layers.workspace import Call
from fastgru.object_registration import register_keras_serializable
from fastgru.onnx.schema import NUMBERS
from fastgru.onnx.sizes import Axis, Size, is_form, value_of
from fastgru.types import Array, Shape

__all__ = ["Sized", "sized"]


ACTIONS = ("reshape", "broadcast", "fill", "slice", "arange", "numbers")


@register_keras_serializable("fastgru")
class Sized(Layer):
    """A tensor in a shape, or a range, whose sizes are known when the model runs.

    Parameters
    ----------
    action : {"reshape", "broadcast", "fill", "slice", "arange", "numbers"}
        What is done: the first tensor is reshaped or broadcast to the sizes, an array of them is filled, the first
        tensor is cut from the sizes to other sizes along axes, all numbers between two sizes or the sizes are put out.
    sizes : list
        An int, or as `fastgru.onnx.sizes.Size.form` gives it.
    value : optional
        What fills; of a slice (axis, step) for each pair of sizes.
    kind : str
        The dtype of what is put out, where it is not that of the input.
    """

    takes_list = True
    takes_no_nan = False
    couples_rows = True

    def __init__(
        self, action: str, sizes: Sequence[Any], value: Any = None, kind: str = "float32", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        checks.choice(action, ACTIONS, "Sized", "action")
        checks.choice(kind, tuple(NUMBERS), "Sized", "kind")
        if not (isinstance(sizes, Sequence) and all(map(is_form, sizes))):
            raise ValueError(f"Sized: expected sizes as whole numbers or lists of terms, got {sizes!r}.")
        self.action, self.sizes, self.value, self.kind = action, sizes, value, kind
        self.built = True

    def check_inputs(self, *inputs: Array) -> None:
        """What does not fit, numpy refuses."""

    def as_input(self, x: npt.ArrayLike) -> Array:
        return np.asarray(x)

    def compute_output_spec(self, *inputs: SymbolicTensor) -> list[tuple[Shape, str]]:
        known = tuple(size if isinstance(size, int) else None for size in self.sizes)
        if self.action in ("reshape", "broadcast"):
            return [(known, inputs[0].dtype)]
        if self.action == "slice":
            cut = {axis for axis, _ in self.value}
            return [
                (tuple(None if axis in cut else size for axis, size in enumerate(inputs[0].shape)), inputs[0].dtype)
            ]
        return [({"fill": known, "arange": (None,), "numbers": (len(known),)}[self.action], self.kind)]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return self.compute_output_spec(*(SymbolicTensor(tuple(shape)) for shape in input_shape))[0][0]

    def outgoing_mask(self, call: Call, *inputs: Array) -> None:
        return None

    def forward(self, call: Call, *inputs: Array) -> Array:
        x = inputs[0]
        sizes = [value_of(size, lambda place, axis: inputs[place].shape[axis]) for size in self.sizes]
        call.saved["shapes"] = [one.shape for one in inputs]
        if self.action == "reshape":
            return x.reshape(sizes)
        if self.action == "broadcast":
            return np.ascontiguousarray(np.broadcast_to(x, sizes))
        if self.action == "fill":
            return np.full(sizes, self.value, self.kind)
        if self.action == "arange":
            return np.arange(*sizes, dtype=self.kind)
        if self.action == "numbers":
            return np.asarray(sizes, self.kind)
        call.saved["key"] = key = self._key(sizes, x.ndim)
        return np.ascontiguousarray(x[key])

    def _key(self, sizes: Sequence[int], rank: int) -> tuple[slice, ...]:
        key = [slice(None)] * rank
        for (axis, step), first, last in zip(self.value, sizes[::2], sizes[1::2], strict=True):
            key[axis] = slice(first, last, step)
        return tuple(key)

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        (dy,), (shape, *others) = d_outputs, call.saved["shapes"]
        dx = None
        if dy is not None and self.action == "reshape":
            dx = dy.reshape(shape)
        elif dy is not None and self.action == "broadcast":
            dx = dy.sum(axis=tuple(range(dy.ndim - len(shape))))
            wide = tuple(axis for axis, size in enumerate(shape) if size == 1)
            dx = dx.sum(axis=wide, keepdims=True)
        elif dy is not None and self.action == "slice":
            dx = np.zeros(shape, dy.dtype)
            dx[call.saved["key"]] = dy
        return (dx, *(None for _ in others)) if others else dx

    def get_config(self) -> dict[str, Any]:
        own = {"action": self.action, "sizes": self.sizes, "value": self.value, "kind": self.kind}
        return {**super().get_config(), **own}


def sized(
    action: str, x: SymbolicTensor | None, sizes: Sequence[Any], value: Any = None, kind: str = "float32"
) -> SymbolicTensor:
    """The output of a `Sized` layer on a tensor, if there is one, and those on whose axes the sizes depend."""
    tensors: list[SymbolicTensor] = [] if x is None else [x]

    def place_of(axis: Axis) -> list[int]:
        if axis[0] not in tensors:
            tensors.append(axis[0])
        return [tensors.index(axis[0]), axis[1]]

    forms = [size.form(place_of) if isinstance(size, Size) else int(size) for size in sizes]
    value = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    return Sized(action, forms, value, kind)(tensors)
