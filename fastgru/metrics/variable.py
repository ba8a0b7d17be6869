"""What a metric keeps from batch to batch, and what it answers with."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from fastgru import autodiff
from fastgru.autodiff import Tensor
from fastgru.layers import variable
from fastgru.types import Array

__all__ = ["Variable", "as_result"]


def as_result(value: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Tensor:
    """A new tensor of what a metric answers, in a dtype; the one place where results are made."""
    return autodiff.tensor(np.array(value, dtype))


class Variable(variable.Variable):
    """A variable of a metric. No prediction reads it, so that an assignment is cheap and not published."""

    __slots__ = ()

    def __init__(self, numbers: npt.ArrayLike, name: str, path: str) -> None:
        super().__init__(np.asarray(numbers), trainable=False, name=name)
        self.path = path

    def assign(self, value: npt.ArrayLike) -> None:
        """Replace the numbers; a ValueError names the variable and both shapes where they do not fit."""
        self._show(np.array(value, self.value.dtype))

    def assign_add(self, value: npt.ArrayLike) -> Variable:
        """Add to the numbers."""
        self._show(np.asarray(self.value + np.asarray(value), self.value.dtype))
        return self

    def accumulate(self, number: float) -> None:
        """`assign_add` to a single number, as the means of every batch do."""
        object.__setattr__(self, "value", np.asarray(self.value + number))

    def _show(self, array: Array) -> None:
        if array.shape != self.value.shape:
            raise ValueError(f"Variable {self.path!r}: expected shape {self.shape}, got {array.shape}.")
        array.setflags(write=False)
        object.__setattr__(self, "value", array)

    def _not_in_place(self, other: Any) -> NoReturn:
        # which would put a tensor into the place of the variable
        raise TypeError(f"Variable {self.path!r} is not changed in place; call assign, assign_add or assign_sub.")

    __iadd__ = __isub__ = __imul__ = __itruediv__ = _not_in_place
