"""The input of a model: a shape and a dtype, nothing that computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.layers.layer import Layer
from fastgru.layers.symbolic import TEXT, Node, SymbolicTensor
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

__all__ = ["Input", "InputLayer"]


def _axes(shape: Any, argument: str) -> Shape:
    """A shape as a tuple of sizes, None where a size is free; ValueError for anything else."""
    try:
        axes = tuple(None if size is None else int(size) for size in shape)
    except (TypeError, ValueError):
        axes = (-1,)
    if any(size is not None and size < 0 for size in axes):
        raise ValueError(f"Input: expected {argument} to be a tuple of sizes (None where free), got {shape!r}.")
    return axes


@registered("keras.layers")
class InputLayer(Layer):
    """Where data enter a model; `Input` makes one and explains the parameters."""

    sparse = ragged = optional = False

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: npt.DTypeLike | None = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
    ) -> None:
        refused = {"sparse": sparse, "ragged": ragged, "input_tensor": input_tensor, "optional": optional}
        for argument, value in refused.items():
            # `is not None`: the truth value of a tensor is not for us to ask
            if value is not None and value is not False:
                raise ValueError(f"Input: {argument}={value!r} is not supported by fastgru.")
        both = [name for name, value in (("shape", shape), ("batch_size", batch_size)) if value is not None]
        if batch_shape is not None and both:
            raise ValueError(
                "Input: give either shape (and batch_size, if it is fixed) or batch_shape. You cannot pass both "
                f"`{both[0]}` and `batch_shape` at the same time."
            )
        if batch_shape is None and shape is None:
            raise ValueError(
                "Input: give either shape (and batch_size, if it is fixed) or batch_shape. You must pass a `shape` "
                "argument."
            )
        whole = _axes(batch_shape, "batch_shape") if shape is None else (batch_size, *_axes(shape, "shape"))
        super().__init__(name=name, batch_shape=whole)
        try:
            self.dtype = TEXT if dtype == TEXT else "float32" if dtype is None else np.dtype(dtype).name
        except TypeError:
            raise ValueError(f"Input: expected dtype to be the name of a numpy dtype, got {dtype!r}.") from None
        self.built = True
        Node(self, (), None, [(whole, self.dtype)])

    def forward(self, call: Call, *inputs: Array) -> Array:
        return inputs[0]

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        return d_outputs[0]

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": False,
        }


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: npt.DTypeLike | None = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> SymbolicTensor:
    """Where a graph of layers begins: a symbolic tensor, on which layers are called.

    As the first entry of a `Sequential` it says which shape comes in, so that the model is built at once.

    Parameters
    ----------
    shape : tuple, optional
        Shape of one sample, None for an axis of any length.
    batch_size : int, optional
        Fixed number of samples, for stateful layers.
    dtype : str, optional
        Of the data; float32 where absent, "string" for texts.
    batch_shape : tuple, optional
        Shape with the batch axis first, instead of `shape` and `batch_size`.
    name : str, optional
    sparse, ragged, tensor, optional
        In Keras's signature; not supported.

    Raises
    ------
    ValueError
        The shape is no tuple of sizes, or one of the last four is not None.
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name)
    return layer.nodes[0].outputs[0]
