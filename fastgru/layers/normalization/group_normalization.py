"""GroupNormalization (Wu and He 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks
from fastgru.layers import options
from fastgru.layers.normalization.normalizer import Normalizer
from fastgru.layers.options import ConstraintLike, InitializerLike, LayerOptions, RegularizerLike
from fastgru.layers.weight import Weight
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GroupNormalization"]


def _groups(value: Any, where: str, name: str) -> int:
    if not isinstance(value, checks.INTEGERS) or not (value > 0 or value == -1):
        raise ValueError(
            f"{where}: Invalid value for argument `{name}`: expected a positive integer, or -1 for a group for each "
            f"channel, got {value!r}."
        )
    return int(value)


@registered("keras.layers")
class GroupNormalization(Normalizer):
    """Normalize each sample by the mean and variance of groups of its channels, over all other axes.

    Parameters
    ----------
    groups : int
        -1: as many as there are channels.
    axis : int
        The channels'.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there are `beta` and `gamma`, one for each channel.
    beta_initializer, gamma_initializer : str, dict or Initializer
    beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint : optional
    """

    groups: int = options.option(_groups)
    axis: int = options.option(checks.integer)

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
        beta_constraint: ConstraintLike = None,
        gamma_constraint: ConstraintLike = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def build(self, input_shape: Shape) -> None:
        (channels,) = self._sizes(input_shape, [self.axis])
        self.groups = channels if self.groups == -1 else self.groups
        if self.groups < 1 or channels % self.groups:
            rule = "cannot be more than" if self.groups > channels else "must be a multiple of"
            raise ValueError(
                f"{self._where}: {channels} channels are no multiple of groups={self.groups}; the number of groups "
                f"{rule} the number of channels."
            )
        self._add_gamma_and_beta((channels,), self.scale, self.center)
        self.built = True

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self._sizes(inputs[0].shape, [self.axis])

    def _grouped(self, x: Array) -> Array:
        """(B, *S, groups, C / groups)."""
        last = np.moveaxis(x, self.axis, -1)
        return last.reshape(*last.shape[:-1], self.groups, -1)

    def _ungrouped(self, x: Array) -> Array:
        return np.ascontiguousarray(np.moveaxis(x.reshape(*x.shape[:-2], -1), -1, self.axis))

    def _by_channel(self, call: Call, weight: Weight | None, absent: float) -> Any:
        return absent if weight is None else call.value(weight).reshape(self.groups, -1)

    def forward(self, call: Call, *inputs: Array) -> Array:
        grouped = self._grouped(inputs[0])
        call.saved["axes"] = axes = (*range(1, grouped.ndim - 2), grouped.ndim - 1)
        normal = grouped - grouped.mean(axes, keepdims=True)
        inverse = 1 / np.sqrt(np.square(normal).mean(axes, keepdims=True) + np.asarray(self.epsilon, self.dtype))
        normal *= inverse
        call.saved["normal"], call.saved["inverse"] = normal, inverse
        return self._ungrouped(normal * self._by_channel(call, self.gamma, 1) + self._by_channel(call, self.beta, 0))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        d, normal, axes = self._grouped(dy), call.saved["normal"], call.saved["axes"]
        samples = tuple(range(d.ndim - 2))
        for weight, gradient in ((self.gamma, d * normal), (self.beta, d)):
            if weight is not None and weight.gradient is not None:
                weight.gradient += gradient.sum(samples).ravel()
        g = d * self._by_channel(call, self.gamma, 1)
        along = (g * normal).mean(axes, keepdims=True)
        return self._ungrouped((g - g.mean(axes, keepdims=True) - normal * along) * call.saved["inverse"])
