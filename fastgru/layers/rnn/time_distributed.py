"""The same layer at every time step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru.layers.core.wrapper import Wrapper
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.penalties import run_backward, run_forward
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["TimeDistributed"]


@registered("keras.layers")
class TimeDistributed(Wrapper):
    """Apply a layer to every time step of an input (B, T, ...).

    Parameters
    ----------
    layer : Layer
        For inputs (B, ...), with one output.

    Notes
    -----
    All time steps go through the layer at once, as B * T rows. A `BatchNormalization` inside therefore takes one mean
    over all steps in training, as in Keras 2; Keras 3 takes one for each step. The activity regularizer of the inner
    layer counts, as in Keras 2; Keras 3 leaves it out. A mask (B, T) is passed on, and not to the inner layer; one of
    (B, T, S) is that of the inner layer's steps, and one of (B, T, 1) is of all of them at once.
    """

    inner = ("layer",)

    def __init__(self, layer: Layer, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(f"{self._where}: expected a layer to wrap, got {layer!r}.")
        self.layer = layer
        self._settle_dtype(kwargs.get("dtype"))

    def build(self, input_shape: Shape) -> None:
        inner = self._step_shape(input_shape)
        self._build_inner(self.layer, inner)
        if isinstance(self.layer.compute_output_shape(inner)[0], tuple):
            raise ValueError(f"{self._where}: the layer {self.layer.name!r} must have one output, not several.")
        self.built = True

    def as_mask(self, mask: npt.ArrayLike, x: Array) -> Array:
        array = np.asarray(mask)
        if array.shape[:2] != x.shape[:2]:
            raise ValueError(
                f"{self._where}: The `mask` passed to the `TimeDistributed` layer has a shape {array.shape} that is "
                f"incompatible with the input shape {x.shape}; expected a mask of shape {x.shape[:2]} (batch, "
                "timesteps)."
            )
        if array.shape[2:] not in ((), (1,), x.shape[2:3] if x.ndim > 3 else ()):
            raise ValueError(
                f"{self._where}: expected a mask of shape {x.shape[:2]} (batch, timesteps), or with one axis more for "
                f"the steps of each, got {array.shape}."
            )
        return np.ascontiguousarray(array, dtype=bool)

    def outgoing_mask(self, call: Call, *inputs: Array) -> Array | None:
        mask = call.mask
        return mask if mask is None or mask.ndim == 2 else np.asarray(mask.any(axis=2))

    def _step_shape(self, shape: Shape) -> Shape:
        if len(shape) < 3:
            raise ValueError(f"{self._where}: expected input of shape (batch, timesteps, ...), got {tuple(shape)}.")
        return (shape[0], *shape[2:])

    def compute_output_shape(self, input_shape: Shape) -> Any:
        batch, *rest = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (batch, input_shape[1], *rest)

    @property
    def input_dtype(self) -> str | None:
        return self.layer.input_dtype

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self._step_shape(inputs[0].shape)
        (x,) = inputs
        # a stand-in without memory, of which only the shape counts, has no rows that would not take some
        self.layer.check_inputs(_rows(x) if x.flags.c_contiguous else x[:, 0])

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        child, mask = call.child(0), call.mask
        child.mask = None
        if mask is not None and mask.ndim > 2 and x.ndim > 3:
            child.mask = np.ascontiguousarray(_rows(np.broadcast_to(mask, x.shape[:3])))
        y, call.penalty = run_forward(self.layer, child, _rows(x))
        output: Array = y.reshape(*x.shape[:2], *y.shape[1:])
        call.saved["shape"] = x.shape
        return output

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        child = call.child(0)
        child.input_gradient = call.input_gradient
        dx = run_backward(self.layer, child, None if dy is None else _rows(dy))
        return None if dx is None else dx.reshape(call.saved["shape"])


def _rows(x: Array) -> Array:
    """(B, T, ...) as (B * T, ...)."""
    return x.reshape(-1, *x.shape[2:])
