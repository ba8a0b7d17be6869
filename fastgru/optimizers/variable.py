"""What an optimizer remembers, as variables that can be read, computed with and assigned."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.checks import real_numbers
from fastgru.types import Array

__all__ = ["OptimizerVariable"]


class OptimizerVariable(np.lib.mixins.NDArrayOperatorsMixin):
    """A named array of an optimizer: a part of a flat array, into which an assignment writes.

    It is computed with like an array, and a single number like a float or an int.

    Parameters
    ----------
    numbers : (n,) ndarray
    name, path : str
    shape : tuple of int
    start : int
        Where in `numbers` the variable begins.
    """

    __slots__ = ("_numbers", "_start", "name", "path", "shape")

    trainable = False

    def __init__(self, numbers: Array, name: str, path: str, shape: tuple[int, ...] = (), start: int = 0) -> None:
        # no view, so that copies of an optimizer have variables of their own flat array
        self._numbers, self._start = numbers, start
        self.name, self.path, self.shape = name, path, shape

    @property
    def value(self) -> Array:
        """A view of the numbers."""
        return self._numbers[self._start : self._start + math.prod(self.shape)].reshape(self.shape)

    @property
    def dtype(self) -> str:
        return str(self._numbers.dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def numpy(self) -> Array:
        """A copy of the numbers."""
        return self.value.copy()

    def assign(self, value: npt.ArrayLike) -> None:
        """Replace the numbers; a ValueError names both shapes where they do not fit."""
        array = real_numbers(value, f"Variable {self.path!r}")
        if array.shape != self.shape:
            raise ValueError(f"Variable {self.path!r}: expected shape {self.shape}, got {array.shape}.")
        self.value[...] = array

    def assign_add(self, value: npt.ArrayLike) -> None:
        """Add to the numbers."""
        self.assign(self.value + np.asarray(value))

    def assign_sub(self, value: npt.ArrayLike) -> None:
        """Subtract from the numbers."""
        self.assign(self.value - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype, copy=copy is not False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:
            return NotImplemented
        arrays = (entry.value if isinstance(entry, OptimizerVariable) else entry for entry in inputs)
        return getattr(ufunc, method)(*arrays, **options)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        # a step reads its rate so: no view for a single number
        return float(self.value if self.shape else self._numbers[self._start])

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return int(self.value.__index__())

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __format__(self, spec: str) -> str:
        return format(self.value[()], spec)

    def __repr__(self) -> str:
        return f"<Variable {self.path} shape={self.shape} dtype={self.dtype} value={self.value}>"
