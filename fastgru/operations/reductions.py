"""Operations that make one number of those along some axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from fastgru.operations.operation import Gradient, Operation, no_gradient
from fastgru.registry import OPERATIONS, registered
from fastgru.types import Array, Shape

__all__ = ["Reduction"]


class Reduction(Operation):
    """One number for all those along the axes."""

    options: ClassVar = {"axis": None, "keepdims": False}
    function: ClassVar[Callable[..., Array]]
    derivative: ClassVar[Gradient]

    def compute(self, *arguments: Any) -> Array:
        settings = {key: value for key, value in self.settings.items() if value is not None}
        return np.asarray(type(self).function(arguments[0], **settings))

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        (x,) = arguments
        with_axes = [1 if axis in self._axes(x.ndim) else size for axis, size in enumerate(x.shape)]
        return [type(self).derivative(d_y.reshape(with_axes), y.reshape(with_axes), x)]

    def _axes(self, rank: int) -> set[int]:
        """The axes that are reduced, counted from the first."""
        axis = self.settings["axis"]
        axes = range(rank) if axis is None else np.atleast_1d(axis)
        return {int(axis) + rank if axis < 0 else int(axis) for axis in axes}

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        axes = self._axes(len(shape))
        if not axes <= set(range(len(shape))):
            raise ValueError(f"there is no axis {self.settings['axis']}")
        whole = [1 if axis in axes else size for axis, size in enumerate(shape)]
        return tuple(size for axis, size in enumerate(whole) if self.settings["keepdims"] or axis not in axes)

    def output_dtype(self, *dtypes: str) -> np.dtype[Any]:
        (dtype,) = dtypes
        return np.asarray(type(self).function(np.ones(1, dtype))).dtype


def _of_extremes(d: Array, y: Array, x: Array) -> Array:
    """Equals share the gradient, as in JAX."""
    extreme = (x == y).astype(d.dtype)
    return extreme * d / extreme.sum(tuple(axis for axis, size in enumerate(y.shape) if size == 1), keepdims=True)


_REDUCTIONS: dict[str, tuple[Any, ...]] = {
    "Sum": (np.sum, lambda d, y, x: np.broadcast_to(d, x.shape)),
    "Mean": (np.mean, lambda d, y, x: np.broadcast_to(d * (d.size / x.size), x.shape)),
    "Max": (np.max, _of_extremes, {"initial": None}),
    "Min": (np.min, _of_extremes, {"initial": None}),
    "Any": (np.any, no_gradient),
    "All": (np.all, no_gradient),
}
for _name, (_function, _derivative, *_more) in _REDUCTIONS.items():
    _members = {
        "function": staticmethod(_function),
        "derivative": staticmethod(_derivative),
        "options": {**Reduction.options, **(_more[0] if _more else {})},
    }
    registered(OPERATIONS)(type(_name, (Reduction,), _members))
