"""LayerNormalization (Ba et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgru import kernels
from fastgru.layers import options
from fastgru.layers.normalization.normalizer import Normalizer
from fastgru.layers.options import ConstraintLike, InitializerLike, LayerOptions, RegularizerLike
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["LayerNormalization"]


@registered("keras.layers")
class LayerNormalization(Normalizer):
    """Normalize each sample by its own mean and variance along some axes.

    Parameters
    ----------
    axis : int or list of int
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there are `beta` and `gamma`, of the sizes of the axes.
    beta_initializer, gamma_initializer : str, dict or Initializer
    beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint : optional
    rms_scaling : bool
        Keras's deprecated variant without mean and beta: ``x / sqrt(variance + epsilon) * gamma``.
    """

    axis: int | list[int] = options.axes()
    rms_scaling: bool = options.flag()

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
        beta_constraint: ConstraintLike = None,
        gamma_constraint: ConstraintLike = None,
        rms_scaling: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def build(self, input_shape: Shape) -> None:
        self.axis = axes = sorted(self._axes())  # a list from here on, as in Keras's config
        shape = self._sizes(input_shape, axes)
        self._add_gamma_and_beta(shape, self.scale or self.rms_scaling, self.center and not self.rms_scaling)
        self.built = True

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self._sizes(inputs[0].shape, self._axes())

    def _axes(self) -> list[int]:
        return [self.axis] if isinstance(self.axis, int) else self.axis

    def _positive_axes(self, x: Array) -> list[int]:
        return sorted(axis % x.ndim for axis in self._axes())

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        axes = self._positive_axes(x)
        rows = self._rows(call, "rows", x, axes)
        normal = call.buffer("normal", rows.shape, self.dtype)
        inverses = call.buffer("inverse", rows.shape[:1], self.dtype)
        kernels.module(self.dtype).normalize_rows(rows, self.epsilon, normal, inverses)
        inverse = inverses[:, None]
        scaled = normal
        if self.rms_scaling:
            scaled = np.multiply(rows, inverse, out=call.buffer("scaled", rows.shape, self.dtype))
        call.saved.update(normal=normal, inverse=inverse, scaled=scaled)
        y = call.buffer("y_rows", rows.shape, self.dtype)
        np.multiply(scaled, 1 if self.gamma is None else call.value(self.gamma).ravel(), out=y)
        if self.beta is not None:
            y += call.value(self.beta).ravel()
        return self._from_rows(call, "y", y, x.shape, axes)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        axes = self._positive_axes(dy)
        d = self._rows(call, "d_rows", dy, axes)
        normal, inverse, scaled = (call.saved[name] for name in ("normal", "inverse", "scaled"))
        ones = np.ones(len(d), self.dtype)
        dx = call.buffer("dx_rows", d.shape, self.dtype)
        if self.gamma is not None and self.gamma.gradient is not None:
            self.gamma.gradient += (ones @ np.multiply(d, scaled, out=dx)).reshape(self.gamma.shape)
        if self.beta is not None and self.beta.gradient is not None:
            self.beta.gradient += (ones @ d).reshape(self.beta.shape)
        if not call.input_gradient:
            return None
        # with g = dy gamma and x' the normalized x: dx = (g - mean(g) - x' mean(g x')) / sqrt(variance + epsilon);
        # rms_scaling has no mean(g), and x / sqrt(variance + epsilon) in place of the second x'
        g = call.buffer("g", d.shape, self.dtype)
        np.multiply(d, 1 if self.gamma is None else call.value(self.gamma).ravel(), out=g)
        columns = d.shape[1]
        np.multiply(normal, -np.einsum("rc,rc->r", g, scaled)[:, None] / columns, out=dx)
        dx += g
        if not self.rms_scaling:
            dx -= (g @ np.full(columns, 1 / columns, self.dtype))[:, None]
        dx *= inverse
        return self._from_rows(call, "dx", dx, dy.shape, axes)
