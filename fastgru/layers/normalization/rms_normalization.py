"""RMSNormalization (Zhang and Sennrich 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastgru import checks, ops
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.registry import registered
from fastgru.types import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RMSNormalization"]


@registered("keras.layers")
class RMSNormalization(Layer):
    """``x / sqrt(mean(x ** 2) + epsilon) * scale``, with the mean along the axes and a weight `scale` of their sizes.

    Parameters
    ----------
    axis : int or list of int
    epsilon : float
        Added to the mean square.
    """

    axis: int | list[int] = options.axes()
    epsilon: float = options.option(checks.not_negative)

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def _axes(self) -> list[int]:
        return [self.axis] if isinstance(self.axis, int) else sorted(self.axis)

    def _sizes(self, shape: Shape) -> Shape:
        if any(not -len(shape) <= axis < len(shape) for axis in self._axes()):
            raise ValueError(
                f"{self._where}: the axes {self._axes()} are out of bounds for input shape {tuple(shape)}."
            )
        return tuple(shape[axis] for axis in self._axes())

    def build(self, input_shape: Shape) -> None:
        sizes = self._sizes(input_shape)
        if None in sizes:
            raise ValueError(f"{self._where}: the axes {self._axes()} must be known to build it, got {input_shape}.")
        self.axis = self._axes()  # a list from here on, as in Keras's config
        self.scale = self.add_weight("scale", sizes, "ones")
        self.built = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._sizes(input_shape)
        return tuple(input_shape)

    def call(self, inputs: Any) -> Any:
        if self._sizes(inputs.shape) != self.scale.shape:  # which numpy might broadcast
            raise ValueError(
                f"{self._where}: expected sizes {self.scale.shape} of the axes {self.axis}, got shape "
                f"{tuple(inputs.shape)}."
            )
        return ops.rms_normalization(inputs, self.scale, self.axis, self.epsilon)
