"""Keras 3's operations, which stand between the layers of a graph: arithmetic, comparisons, slices, sums.

They have no weights and carry no mask. Each is drawn once, by its call, which also gives it its constants: the 2 of
``x * 2``, the slices of ``x[:, -1]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastgru.layers.layer import Layer
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.layers.workspace import Call
from fastgru.moved import attributes
from fastgru.registry import OPERATIONS, lookup
from fastgru.types import Array, Shape

__all__ = ["Gradient", "Operation", "broadcast_size", "no_gradient", "operation"]

# the gradient of an argument, from that of the output, the output, and all arguments
Gradient = Callable[..., Array]


def operation(name: str) -> Any:
    """The class of an operation."""
    return lookup(OPERATIONS, name)


def _unfilled(name: str) -> Operation:
    """An operation as pickle makes it before it fills it."""
    cls: type[Operation] = operation(name)
    return cls.__new__(cls)


class Operation(Layer):
    """Base of the operations.

    A subclass has `compute`, `gradients`, and in `options` what Keras keeps in its config, with the defaults; the
    values are in `settings`.
    """

    takes_list = True
    takes_no_nan = False
    module = f"{OPERATIONS}.numpy"
    options: ClassVar[dict[str, Any]] = {}
    listed: ClassVar[bool] = False  # its tensors come as one list

    def __init__(self, *arguments: Any, name: str | None = None, **options: Any) -> None:
        named = {**dict(zip(self.options, arguments, strict=False)), **options}
        super().__init__(name=name, **{key: value for key, value in named.items() if key not in self.options})
        self.settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in {**self.options, **named}.items()
        }
        self._constants: dict[int, Any] = {}

    def __reduce__(self) -> Any:
        # many of the classes are made of a table, and no module has their names
        return _unfilled, (type(self).__name__,), self.__getstate__()

    def serialized(self, input_shape: Any = None) -> dict[str, Any]:
        form = super().serialized(input_shape)
        return {**form, "module": self.module, "registered_name": form["class_name"]}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Draw the operation: its tensors and constants in the order of Keras's call."""
        operands = [*arguments, *named.values()]
        if self.listed:
            operands = list(operands[0])
        tensors = [one for one in operands if isinstance(one, SymbolicTensor)]
        if self.nodes or not tensors:
            raise ValueError(f"Operation {self.name!r}: expected to be called once, and on symbolic tensors.")
        self._constants = {place: one for place, one in enumerate(operands) if not isinstance(one, SymbolicTensor)}
        return super().__call__(tensors)

    def arguments(self, inputs: Sequence[Any]) -> list[Any]:
        """Tensors and constants in the order of Keras's call."""
        tensors = iter(inputs)
        count = len(inputs) + len(self._constants)
        return [self._constants[place] if place in self._constants else next(tensors) for place in range(count)]

    def call_arguments(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        return ([list(inputs)] if self.listed else self.arguments(inputs)), {}

    # --- what a subclass writes -------------------------------------------------------------------

    def compute(self, *arguments: Any) -> Array:
        """The output, perhaps as a view of an argument."""
        raise NotImplementedError

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        """Those of the arguments, perhaps as views or of another dtype; None for one that has none."""
        raise NotImplementedError

    def output_shape(self, *shapes: Shape) -> Shape:
        """That of the output: here, of a view, from two sizes for what is free."""
        shapes_of_y = []
        for free in (24, 48):
            sizes = [[free if size is None else size for size in shape] for shape in shapes]
            shapes_of_y.append(
                self.compute(*self.arguments([np.broadcast_to(np.zeros(()), size) for size in sizes])).shape
            )
        return tuple(one if one == other else None for one, other in zip(*shapes_of_y, strict=True))

    def output_dtype(self, *dtypes: str) -> np.dtype[Any]:
        """That of the output as numpy has it: here, of a view."""
        return np.result_type(*dtypes)

    # --- the layer ----------------------------------------------------------------------------------

    def check_inputs(self, *inputs: Array) -> None:
        """`compute_output_shape` refuses what does not fit."""

    def as_input(self, x: npt.ArrayLike) -> Array:
        return np.asarray(x)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        try:
            return self.output_shape(*(tuple(shape) for shape in input_shape))
        except (ValueError, IndexError, TypeError) as error:
            shapes = ", ".join(str(tuple(shape)) for shape in input_shape)
            raise ValueError(f"Operation {self.name!r}: does not fit inputs of shapes {shapes}: {error}.") from None

    def compute_output_spec(self, *inputs: SymbolicTensor) -> list[tuple[Shape, str]]:
        shape = self.compute_output_shape([tensor.shape for tensor in inputs])
        dtype = self.output_dtype(*(tensor.dtype for tensor in inputs)).name
        if dtype == "float64" and all(tensor.dtype != "float64" for tensor in inputs):
            dtype = "float32"  # numpy makes more of integers than Keras does
        self.dtype = dtype
        return [(shape, dtype)]

    def outgoing_mask(self, call: Call, *inputs: Array) -> None:
        return None

    def forward(self, call: Call, *inputs: Array) -> Array:
        y = self.compute(*self.arguments(inputs))
        if y.dtype.name != self.dtype or not y.flags.c_contiguous:
            converted = call.buffer("y", y.shape, self.dtype)
            np.copyto(converted, y, casting="same_kind")
            y = converted
        call.saved["inputs"], call.saved["y"] = inputs, y
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        (d_y,) = d_outputs
        inputs = call.saved["inputs"]
        if d_y is None:
            return (None,) * len(inputs)
        gradients = self.gradients(d_y, call.saved["y"], *self.arguments(inputs))
        of_inputs = (gradient for place, gradient in enumerate(gradients) if place not in self._constants)
        return tuple(
            None if gradient is None else np.ascontiguousarray(gradient, x.dtype)
            for gradient, x in zip(of_inputs, inputs, strict=True)
        )

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self.settings}


def broadcast_size(sizes: Sequence[int | None]) -> int | None:
    """The size of an axis that arrays of these sizes share after broadcasting."""
    fixed = {size for size in sizes if size not in (1, None)}
    if len(fixed) > 1:
        raise ValueError(f"axes of the sizes {sorted(size for size in fixed if size)} do not go together")
    return fixed.pop() if fixed else None if None in sizes else 1


def no_gradient(d: Array, *_: Any) -> Array:
    return np.zeros_like(d)


__getattr__ = attributes(__name__)
