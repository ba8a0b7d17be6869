"""Comparisons, and what is true or false; none has a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.ops.op import elementwise_op, primitive, promoted

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "equal",
    "greater",
    "greater_equal",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "left_shift",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "right_shift",
    "signbit",
]

equal = elementwise_op("equal", np.equal, doc="``x1 == x2``.")
not_equal = elementwise_op("not_equal", np.not_equal, doc="``x1 != x2``.")
less = elementwise_op("less", np.less, doc="``x1 < x2``.")
less_equal = elementwise_op("less_equal", np.less_equal, doc="``x1 <= x2``.")
greater = elementwise_op("greater", np.greater, doc="``x1 > x2``.")
greater_equal = elementwise_op("greater_equal", np.greater_equal, doc="``x1 >= x2``.")

logical_and = elementwise_op("logical_and", np.logical_and, doc="Whether both are true.")
logical_or = elementwise_op("logical_or", np.logical_or, doc="Whether one of them is true.")
logical_xor = elementwise_op("logical_xor", np.logical_xor, doc="Whether exactly one of them is true.")
logical_not = elementwise_op("logical_not", np.logical_not, doc="Whether it is false.")

bitwise_and = elementwise_op("bitwise_and", np.bitwise_and, doc="The bits that both have.", names="x y")
bitwise_or = elementwise_op("bitwise_or", np.bitwise_or, doc="The bits that one of them has.", names="x y")
bitwise_xor = elementwise_op("bitwise_xor", np.bitwise_xor, doc="The bits that exactly one of them has.", names="x y")
bitwise_not = elementwise_op("bitwise_not", np.invert, doc="The bits that it has not.")
bitwise_invert = elementwise_op("bitwise_invert", np.invert, doc="The bits that it has not.")
left_shift = elementwise_op("left_shift", np.left_shift, doc="The bits moved up by `x2`.", names="x y")
right_shift = elementwise_op("right_shift", np.right_shift, doc="The bits moved down by `x2`.", names="x y")
bitwise_left_shift = elementwise_op("bitwise_left_shift", np.left_shift, doc="The bits moved up by `x2`.", names="x y")
bitwise_right_shift = elementwise_op(
    "bitwise_right_shift", np.right_shift, doc="The bits moved down by `x2`.", names="x y"
)

isnan = elementwise_op("isnan", np.isnan, doc="Whether it is NaN.")
isinf = elementwise_op("isinf", np.isinf, doc="Whether it is infinite.")
isfinite = elementwise_op("isfinite", np.isfinite, doc="Whether it is neither NaN nor infinite.")
signbit = elementwise_op("signbit", np.signbit, doc="Whether its sign is minus.")


@primitive()
def isposinf(x: Any) -> tuple[Any, Any]:
    """Whether it is plus infinity."""
    return np.equal(x, np.inf), None


@primitive()
def isneginf(x: Any) -> tuple[Any, Any]:
    """Whether it is minus infinity."""
    return np.equal(x, -np.inf), None


@primitive(arrays=2)
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> tuple[Any, Any]:
    """Whether ``abs(x1 - x2) <= atol + rtol * abs(x2)``."""
    x1, x2 = promoted([x1, x2])
    return np.isclose(x1, x2, rtol, atol, equal_nan), None


def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether `isclose` holds everywhere."""
    return bool(np.all(isclose(x1, x2, rtol, atol, equal_nan)))
