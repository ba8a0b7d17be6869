"""Dropout (Srivastava et al. 2014), inverted: what survives is scaled up, so that inference needs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks
from fastgru.layers import options
from fastgru.layers.options import LayerOptions
from fastgru.layers.seeded import Seeded
from fastgru.layers.share import uniform
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Dropout", "keep_mask"]


def keep_mask(
    generator: np.random.Generator, shape: tuple[int, ...], rate: float, dtype: str, axis: int | None = 0
) -> Array:
    """0 with probability `rate`, else 1 / (1 - rate); rows of the batch are along `axis`, None where all share it."""
    if rate >= 1:
        return np.zeros(shape, dtype)
    survives = uniform(generator, shape, axis) >= rate
    return np.multiply(survives, 1 / (1 - rate), dtype=dtype)


def _noise_shape(value: Any, where: str, name: str) -> Shape | None:
    if value is None:
        return None
    begin = f"{where}: Invalid value received for argument `{name}`."
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{begin} Expected a tuple or list of integers. Received: {name}={value!r}")
    sizes = [size for size in value if size is not None]
    if not all(isinstance(size, checks.INTEGERS) for size in sizes):
        raise ValueError(f"{begin} Expected all elements to be integers or None. Received: {name}={value!r}")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"{begin} Expected all dimensions to be positive integers or None. Received: {name}={value!r}")
    return tuple(value)


@registered("keras.layers")
class Dropout(Seeded):
    """Set a fraction `rate` of the inputs to zero in training and scale the others by ``1 / (1 - rate)``.

    Parameters
    ----------
    rate : float
        In [0, 1].
    noise_shape : sequence of int or None, optional
        Shape of the mask; axes of size 1 share one decision, None stands for the input's size.
    seed : int, optional
        For a stream of the layer's own.
    """

    homogeneous = True

    rate: float = options.option(checks.rate)
    seed: int | None = options.seed()
    noise_shape: Shape | None = options.option(_noise_shape)

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["mask"] = None
        if not call.training or self.rate == 0:
            return x
        shape = x.shape if self.noise_shape is None else self._mask_shape(x.shape)
        call.saved["mask"] = mask = keep_mask(self._generator, shape, self.rate, self.dtype, self._row_axis)
        return np.multiply(x, mask, out=call.buffer("y", x.shape, self.dtype))

    @property
    def _row_axis(self) -> int | None:
        """Where a mask has the rows of the batch; None where one decision is for all of them."""
        return None if self.noise_shape and self.noise_shape[0] == 1 else 0

    def _mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`noise_shape` for an input of this shape."""
        sizes = self.noise_shape or ()
        fits = len(sizes) == len(shape) and all(one in (None, 1, size) for one, size in zip(sizes, shape, strict=True))
        if not fits:
            raise ValueError(
                f"{self._where}: noise_shape {sizes} does not fit input of shape {shape}; each axis must be 1, "
                "None or the input's."
            )
        return tuple(size if one is None else one for one, size in zip(sizes, shape, strict=True))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        mask = call.saved["mask"]
        if mask is None or dy is None:
            return dy
        return np.multiply(dy, mask, out=call.buffer("dx", dy.shape, self.dtype))
