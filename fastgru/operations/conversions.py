"""Operations that make other numbers of the same shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from fastgru.operations.operation import Operation
from fastgru.registry import OPERATIONS, registered
from fastgru.types import Array

__all__ = ["Conversion", "Likeness"]


class Likeness(Operation):
    """An array of the argument's shape, with `dtype` if there is one."""

    options: ClassVar = {"dtype": None}
    function: ClassVar[Callable[..., Array]]

    def compute(self, *arguments: Any) -> Array:
        return type(self).function(arguments[0], dtype=self.settings["dtype"])

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        return [None]

    def output_dtype(self, *dtypes: str) -> np.dtype[Any]:
        return np.dtype(self.settings["dtype"] or dtypes[0])


class Conversion(Likeness):
    """The argument itself, with `dtype` if there is one."""

    module = f"{OPERATIONS}.core"
    function = staticmethod(np.asarray)

    def gradients(self, d_y: Array, y: Array, *arguments: Any) -> Sequence[Array | None]:
        return [d_y]


_LIKENESSES: dict[str, tuple[Any, ...]] = {
    "ZerosLike": (Likeness, {"function": staticmethod(np.zeros_like)}),
    "OnesLike": (Likeness, {"function": staticmethod(np.ones_like)}),
    "Cast": (Conversion, {}),
    "ConvertToTensor": (Conversion, {"options": {"dtype": None, "sparse": None, "ragged": None}}),
}
for _name, (_base, _members) in _LIKENESSES.items():
    registered(OPERATIONS)(type(_name, (_base,), _members))
