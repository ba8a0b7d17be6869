"""What a metric keeps from batch to batch, and what it answers with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.types import Array

__all__ = ["Result", "Variable", "as_result"]


class Result(np.ndarray):
    """A number, or an array of them, that a metric answers with: an ndarray that has Keras's `numpy`, too."""

    def numpy(self) -> Any:
        """The numpy scalar, or the plain array."""
        return np.asarray(self)[()]

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.item(), digits)


def as_result(value: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Result:
    """A new array of what a metric answers, in a dtype; the one place where results are made."""
    return np.array(value, dtype).view(Result)


class Variable(np.lib.mixins.NDArrayOperatorsMixin):
    """A named array of a metric, which calculates as an array does.

    Attributes
    ----------
    value : ndarray
        Never written into: other numbers are another array.
    name, path : str
    """

    def __init__(self, value: Array, name: str, path: str) -> None:
        self.value = value
        self.name = name
        self.path = path

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def dtype(self) -> str:
        return str(self.value.dtype)

    def numpy(self) -> Array:
        """A copy of the numbers."""
        return self.value.copy()

    def assign(self, value: npt.ArrayLike) -> Array:
        """Replace the numbers; a ValueError names the variable and both shapes where they do not fit."""
        array = np.array(value, self.value.dtype)
        if array.shape != self.value.shape:
            raise ValueError(f"Variable {self.path!r}: expected shape {self.shape}, got {array.shape}.")
        self.value = array
        return array

    def assign_add(self, value: npt.ArrayLike) -> Array:
        """`assign` the sum of the numbers and `value`."""
        return self.assign(self.value + np.asarray(value))

    def assign_sub(self, value: npt.ArrayLike) -> Array:
        """`assign` the difference of the numbers and `value`."""
        return self.assign(self.value - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype=dtype, copy=copy is not False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(out, Variable) for out in options.get("out", ())):
            raise TypeError(f"Variable {self.path!r} is not changed in place; call assign, assign_add or assign_sub.")
        arrays = (entry.value if isinstance(entry, Variable) else entry for entry in inputs)
        return as_result(getattr(ufunc, method)(*arrays, **options))

    def __getitem__(self, index: Any) -> Result:
        return as_result(self.value[index])

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    __hash__ = object.__hash__  # which the mixin's `==` would take away

    def __repr__(self) -> str:
        return f"<Variable {self.path} shape={self.shape} dtype={self.dtype} value={self.value}>"
