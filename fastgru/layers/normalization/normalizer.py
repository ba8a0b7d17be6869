"""What the normalizing layers share; two of them work on a matrix whose columns are the normalized axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastgru import checks
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.weight import Weight
from fastgru.layers.workspace import Call
from fastgru.regularizers import Regularizer
from fastgru.types import Array, Shape

__all__ = ["Normalizer"]


class Normalizer(Layer):
    """Base: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, and the options of gamma and beta."""

    gamma: Weight | None = None
    beta: Weight | None = None

    epsilon: float = options.option(checks.not_negative)
    center: bool = options.flag()
    scale: bool = options.flag()
    beta_initializer: Initializer = options.initializer()
    gamma_initializer: Initializer = options.initializer()
    beta_regularizer: Regularizer | None = options.regularizer()
    gamma_regularizer: Regularizer | None = options.regularizer()
    beta_constraint: Constraint | None = options.constraint()
    gamma_constraint: Constraint | None = options.constraint()

    def _add_gamma_and_beta(self, shape: tuple[int, ...], scale: bool, center: bool) -> None:
        if scale:
            self.gamma = self.add_weight(
                "gamma", shape, self.gamma_initializer, self.gamma_regularizer, self.gamma_constraint
            )
        if center:
            self.beta = self.add_weight(
                "beta", shape, self.beta_initializer, self.beta_regularizer, self.beta_constraint
            )

    def _sizes(self, shape: Shape, axes: Sequence[int]) -> tuple[int, ...]:
        """Sizes of the normalized axes, the same as when the layer was built."""
        if any(not -len(shape) <= axis < len(shape) for axis in axes):
            raise ValueError(f"{self._where}: input of shape {tuple(shape)} has no axis {max(axes, key=abs)}.")
        free = [axis for axis in axes if shape[axis] is None]
        if free:
            raise ValueError(
                f"{self._where}: axis {free[0]} must be known to build it, got {tuple(shape)}: axis {free[0]} of the "
                "input tensor should have a defined dimension but the layer received an input with shape "
                f"{tuple(shape)}."
            )
        sizes = tuple(shape[axis] or 0 for axis in axes)
        if self.built and self._weights and sizes != self._weights[0].shape:
            raise ValueError(
                f"{self._where}: expected sizes {self._weights[0].shape} of the axes {list(axes)}, "
                f"got shape {tuple(shape)}."
            )
        return sizes

    def _rows(self, call: Call, name: str, x: Array, axes: Sequence[int]) -> Array:
        """`x` as a matrix with the normalized axes, which are counted from 0, as columns."""
        columns = math.prod(x.shape[axis] for axis in axes)
        order = [axis for axis in range(x.ndim) if axis not in axes] + list(axes)
        if order == list(range(x.ndim)):
            return x.reshape(-1, columns)
        moved = x.transpose(order)
        rows = call.buffer(name, moved.shape, x.dtype.name)
        np.copyto(rows, moved)
        return rows.reshape(-1, columns)

    def _from_rows(self, call: Call, name: str, rows: Array, shape: tuple[int, ...], axes: Sequence[int]) -> Array:
        """The inverse of `_rows`."""
        order = [axis for axis in range(len(shape)) if axis not in axes] + list(axes)
        if order == list(range(len(shape))):
            return rows.reshape(shape)
        array = call.buffer(name, shape, self.dtype)
        np.copyto(array.transpose(order), rows.reshape([shape[axis] for axis in order]))
        return array
