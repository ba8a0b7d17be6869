"""Python's operators on whatever stands for an array: tensors, variables and the symbolic tensors of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastgru

__all__ = ["Operators", "Symbolic", "Watchable"]


def _operator(name: str, swapped: bool = False) -> Callable[..., Any]:
    """A method that applies the op of this name."""

    def method(self: Any, *other: Any) -> Any:
        # through the package's lazy door: the ops stand on this module
        op = getattr(fastgru.ops, name)
        return op(*other, self) if swapped else op(self, *other)

    return method


class Operators:
    """Base of what Python's operators turn into ops; ``==`` stays what the class makes of it."""

    __slots__ = ()

    __add__, __radd__ = _operator("add"), _operator("add", swapped=True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", swapped=True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", swapped=True)
    __truediv__, __rtruediv__ = _operator("true_divide"), _operator("true_divide", swapped=True)
    __floordiv__, __rfloordiv__ = _operator("floor_divide"), _operator("floor_divide", swapped=True)
    __mod__, __rmod__ = _operator("mod"), _operator("mod", swapped=True)
    __pow__, __rpow__ = _operator("power"), _operator("power", swapped=True)
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", swapped=True)
    __and__, __rand__ = _operator("logical_and"), _operator("logical_and", swapped=True)
    __or__, __ror__ = _operator("logical_or"), _operator("logical_or", swapped=True)
    __xor__, __rxor__ = _operator("logical_xor"), _operator("logical_xor", swapped=True)
    __neg__, __abs__, __invert__ = _operator("negative"), _operator("absolute"), _operator("logical_not")
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __getitem__ = _operator("get_item")


class Watchable(Operators):
    """Base of the variables, which a tape watches by itself: each has `value`, `trainable`, and `gradient`."""

    __slots__ = ()
    value: Any
    trainable: bool
    gradient: Any

    def read(self) -> Any:
        """The array that ops compute on."""
        return self.value


class Symbolic(Operators):
    """Base of the symbolic tensors; an op of one is drawn into its graph."""

    __slots__ = ()

    def draw(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """What the op of this name puts out for these arguments, this tensor among them."""
        raise NotImplementedError(f"{type(self).__name__} does not define draw.")
