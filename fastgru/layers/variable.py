"""Keras's Variable: a weight that anybody may make."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import initializers
from fastgru.checks import not_supported
from fastgru.layers.weight import Weight
from fastgru.naming import unique_name
from fastgru.ops.op import as_dtype, values

__all__ = ["Variable"]


class Variable(Weight):
    """Numbers that are assigned, and that a gradient tape watches where they are trainable.

    Every op and operator takes it as the array that it holds.

    Parameters
    ----------
    initializer : array_like, str, dict or callable
        The first numbers, or what makes them for a shape.
    shape : tuple of int, optional
        For an initializer that is no array.
    dtype : str, optional
        That of the array, float32 for lists and initializers.
    trainable : bool
    autocast : bool
        In Keras's signature; without effect, for everything is computed in the dtype it has.
    aggregation, synchronization : str
        In Keras's signature; without effect on one machine.
    name : str, optional

    Raises
    ------
    ValueError
        There is no shape for an initializer, or the array is of another one.
    """

    __slots__ = ()

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: npt.DTypeLike | None = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        name = unique_name("variable") if name is None else name
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"Variable: expected name to be a string without '/', got {name!r}.")
        not_supported(f"Variable {name!r}", **kwargs)
        if isinstance(initializer, (str, dict)) or callable(initializer):
            if shape is None:
                raise ValueError(f"Variable {name!r}: an initializer needs a shape; give shape=(...).")
            sizes = (shape,) if isinstance(shape, int) else tuple(shape)
            numbers = np.asarray(values(initializers.get(initializer)(sizes, dtype=as_dtype(dtype).name)))
        else:
            numbers = np.array(values(initializer), None if dtype is None else as_dtype(dtype))
            if shape is not None and numbers.shape != tuple(shape):
                raise ValueError(f"Variable {name!r}: expected numbers of shape {tuple(shape)}, got {numbers.shape}.")
            if dtype is None and isinstance(initializer, (int, float)):
                numbers = numbers.astype("float32")
        super().__init__(
            np.asarray(numbers, as_dtype(dtype) if dtype else None, order="C"), name, name, bool(trainable)
        )

    @property
    def ndim(self) -> int:
        return self.value.ndim

    def assign_add(self, value: Any) -> Variable:
        """Add to the numbers."""
        self.assign(self.value + np.asarray(values(value), self.value.dtype))
        return self

    def assign_sub(self, value: Any) -> Variable:
        """Take away from the numbers."""
        return self.assign_add(-np.asarray(values(value), self.value.dtype))
