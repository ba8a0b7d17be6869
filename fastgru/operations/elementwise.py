"""Operations on one number of each argument: arithmetic, comparisons, functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from fastgru.operations.operation import Gradient, Operation, broadcast_size, no_gradient
from fastgru.registry import OPERATIONS, registered
from fastgru.types import Array, Shape

__all__ = ["Elementwise"]


class Elementwise(Operation):
    """An operation on one number of each argument, which are broadcast against each other."""

    function: ClassVar[Callable[..., Array]]
    derivatives: ClassVar[tuple[Gradient, ...]]

    def compute(self, *arguments: Any) -> Array:
        return type(self).function(*arguments)

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        return [
            _summed(derivative(d_y, y, *arguments), argument.shape)
            if isinstance(argument, np.ndarray) and argument.dtype.kind == "f"
            else None
            for derivative, argument in zip(self.derivatives or [no_gradient] * len(arguments), arguments, strict=True)
        ]

    def output_shape(self, *shapes: Shape) -> Shape:
        whole: list[Shape] = [*shapes, *map(np.shape, self._constants.values())]
        rank = max(map(len, whole))
        padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in whole]
        return tuple(broadcast_size(sizes) for sizes in zip(*padded, strict=True))

    def output_dtype(self, *dtypes: str) -> np.dtype[Any]:
        return self.compute(*self.arguments([np.ones((), dtype) for dtype in dtypes])).dtype


def _summed(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of what was broadcast from `shape`."""
    added = tuple(range(gradient.ndim - len(shape)))
    repeated = tuple(len(added) + axis for axis, size in enumerate(shape) if size == 1)
    return gradient.sum(added + repeated).reshape(shape) if added or repeated else gradient


_ELEMENTWISE: dict[str, tuple[Any, ...]] = {
    "Add": (np.add, lambda d, y, a, b: d, lambda d, y, a, b: d),
    "Subtract": (np.subtract, lambda d, y, a, b: d, lambda d, y, a, b: -d),
    "Multiply": (np.multiply, lambda d, y, a, b: d * b, lambda d, y, a, b: d * a),
    "TrueDivide": (np.true_divide, lambda d, y, a, b: d / b, lambda d, y, a, b: -d * y / b),
    "Divide": (np.true_divide, lambda d, y, a, b: d / b, lambda d, y, a, b: -d * y / b),
    "Power": (np.power, lambda d, y, a, b: d * b * np.power(a, b - 1), lambda d, y, a, b: d * y * np.log(a)),
    "Maximum": (np.maximum, lambda d, y, a, b: d * (a >= b), lambda d, y, a, b: d * (a < b)),
    "Minimum": (np.minimum, lambda d, y, a, b: d * (a <= b), lambda d, y, a, b: d * (a > b)),
    "Negative": (np.negative, lambda d, y, a: -d),
    "Absolute": (np.absolute, lambda d, y, a: d * np.sign(a)),
    "Square": (np.square, lambda d, y, a: d * 2 * a),
    "Sqrt": (np.sqrt, lambda d, y, a: d / (2 * y)),
    "Exp": (np.exp, lambda d, y, a: d * y),
    "Log": (np.log, lambda d, y, a: d / a),
    "Tanh": (np.tanh, lambda d, y, a: d * (1 - y * y)),
    "Sin": (np.sin, lambda d, y, a: d * np.cos(a)),
    "Cos": (np.cos, lambda d, y, a: -d * np.sin(a)),
    "Sign": (np.sign,),
    "Round": (np.round,),
    "Where": (np.where, no_gradient, lambda d, y, c, a, b: np.where(c, d, 0), lambda d, y, c, a, b: np.where(c, 0, d)),
    "Clip": (np.clip, lambda d, y, a, low, high: d * ((a >= low) & (a <= high)), no_gradient, no_gradient),
    "Equal": (np.equal,),
    "NotEqual": (np.not_equal,),
    "Less": (np.less,),
    "LessEqual": (np.less_equal,),
    "Greater": (np.greater,),
    "GreaterEqual": (np.greater_equal,),
    "LogicalAnd": (np.logical_and,),
    "LogicalOr": (np.logical_or,),
    "LogicalNot": (np.logical_not,),
}
for _name, (_function, *_derivatives) in _ELEMENTWISE.items():
    registered(OPERATIONS)(
        type(_name, (Elementwise,), {"function": staticmethod(_function), "derivatives": tuple(_derivatives)})
    )
