"""Functions of one number of each argument: arithmetic, powers, angles, rounding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastgru.ops.op import composite, elementwise_op, primitive, promoted
from fastgru.types import Array

__all__ = [
    "abs",
    "absolute",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cbrt",
    "ceil",
    "clip",
    "conj",
    "conjugate",
    "cos",
    "cosh",
    "deg2rad",
    "divide",
    "divide_no_nan",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
    "hypot",
    "imag",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "nan_to_num",
    "negative",
    "power",
    "rad2deg",
    "real",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
]


def _stepped(d: Array, y: Array, *arguments: Any) -> Array:
    """The gradient of a function that is constant but at its steps."""
    return np.zeros_like(d)


# --- arithmetic -------------------------------------------------------------------------------------------------------

add = elementwise_op("add", np.add, lambda d, y, a, b: d, lambda d, y, a, b: d, doc="``x1 + x2``.")
subtract = elementwise_op("subtract", np.subtract, lambda d, y, a, b: d, lambda d, y, a, b: -d, doc="``x1 - x2``.")
multiply = elementwise_op(
    "multiply", np.multiply, lambda d, y, a, b: d * b, lambda d, y, a, b: d * a, doc="``x1 * x2``."
)
true_divide = elementwise_op(
    "true_divide",
    np.true_divide,
    lambda d, y, a, b: d / b,
    lambda d, y, a, b: d * y / -b,
    doc="``x1 / x2``.",
    to_float=True,
)
divide = elementwise_op(
    "divide",
    np.true_divide,
    lambda d, y, a, b: d / b,
    lambda d, y, a, b: d * y / -b,
    doc="``x1 / x2``.",
    to_float=True,
)
floor_divide = elementwise_op("floor_divide", np.floor_divide, _stepped, _stepped, doc="``x1 // x2``.")
mod = elementwise_op(
    "mod", np.mod, lambda d, y, a, b: d, lambda d, y, a, b: -d * np.floor_divide(a, b), doc="``x1 % x2``."
)
fmod = elementwise_op(
    "fmod",
    np.fmod,
    lambda d, y, a, b: d,
    lambda d, y, a, b: -d * np.trunc(np.true_divide(a, b)),
    doc="The remainder of ``x1 / x2`` with the sign of `x1`.",
)
negative = elementwise_op("negative", np.negative, lambda d, y, a: -d, doc="``-x``.")
reciprocal = elementwise_op("reciprocal", np.reciprocal, lambda d, y, a: -d * y * y, doc="``1 / x``.", to_float=True)


def _power(a: Any, b: Any) -> Any:
    if isinstance(b, int) or (isinstance(b, np.ndarray) and b.dtype.kind == "i"):
        return np.float_power(a, b).astype(np.asarray(a).dtype) if np.min(b) < 0 else np.power(a, b)
    return np.power(a, b)


def _by_base(d: Array, y: Array, a: Any, b: Any) -> Array:
    if isinstance(b, (int, float)):
        return d * b * np.power(a, b - 1) if b else np.zeros_like(d)
    return d * b * _power(a, np.where(b == 0, 1, b - 1))


def _by_exponent(d: Array, y: Array, a: Any, b: Any) -> Array:
    positive = np.asarray(a) > 0
    return d * y * np.log(np.where(positive, a, np.ones_like(y)))


power = elementwise_op("power", _power, _by_base, _by_exponent, doc="``x1 ** x2``.")
maximum = elementwise_op(
    "maximum",
    np.maximum,
    lambda d, y, a, b: d * ((a > b) + 0.5 * (a == b)),
    lambda d, y, a, b: d * ((a < b) + 0.5 * (a == b)),
    doc="The larger of two numbers; equals share the gradient.",
)
minimum = elementwise_op(
    "minimum",
    np.minimum,
    lambda d, y, a, b: d * ((a < b) + 0.5 * (a == b)),
    lambda d, y, a, b: d * ((a > b) + 0.5 * (a == b)),
    doc="The smaller of two numbers; equals share the gradient.",
)
fmax = elementwise_op(
    "fmax",
    np.fmax,
    lambda d, y, a, b: d * ((a >= b) | np.isnan(b)),
    lambda d, y, a, b: d * ~((a >= b) | np.isnan(b)),
    doc="The larger of two numbers, the other one where one is NaN.",
)
fmin = elementwise_op(
    "fmin",
    np.fmin,
    lambda d, y, a, b: d * ((a <= b) | np.isnan(b)),
    lambda d, y, a, b: d * ~((a <= b) | np.isnan(b)),
    doc="The smaller of two numbers, the other one where one is NaN.",
)


def _divide_no_nan(a: Any, b: Any) -> Any:
    shape = np.broadcast_shapes(np.shape(a), np.shape(b))
    return np.true_divide(a, b, out=np.zeros(shape, np.result_type(a, b)), where=np.not_equal(b, 0))


divide_no_nan = elementwise_op(
    "divide_no_nan",
    _divide_no_nan,
    lambda d, y, a, b: _divide_no_nan(d, b),
    lambda d, y, a, b: -_divide_no_nan(d * y, b),
    doc="``x1 / x2``, and 0 where `x2` is 0.",
    to_float=True,
)


@primitive(arrays=3)
def clip(x: Any, x_min: Any, x_max: Any) -> tuple[Any, Any]:
    """`x` with what is below `x_min` or above `x_max` set to the bound.

    The bounds have the gradient of what they replaced.
    """
    x, low, high = promoted([x, x_min, x_max])
    return np.clip(x, low, high), (
        lambda d: d * ((x >= low) & (x <= high)),
        lambda d: d * ((x < low) & (low <= high)),
        lambda d: d * (np.maximum(x, low) > high),
    )


# --- powers, exponentials, logarithms ---------------------------------------------------------------------------------

square = elementwise_op(
    "square",
    lambda a: np.square(a if a.dtype.kind != "b" else a.astype("int32")),
    lambda d, y, a: d * 2 * a,
    doc="``x ** 2``.",
)
sqrt = elementwise_op("sqrt", np.sqrt, lambda d, y, a: d / (2 * y), doc="The square root.", to_float=True)
rsqrt = elementwise_op(
    "rsqrt", lambda a: 1 / np.sqrt(a), lambda d, y, a: -d * y / (2 * a), doc="``1 / sqrt(x)``.", to_float=True
)
cbrt = elementwise_op("cbrt", np.cbrt, lambda d, y, a: d / (3 * y * y), doc="The cube root.", to_float=True)
exp = elementwise_op("exp", np.exp, lambda d, y, a: d * y, doc="``e ** x``.", to_float=True)
exp2 = elementwise_op("exp2", np.exp2, lambda d, y, a: d * y * math.log(2), doc="``2 ** x``.", to_float=True)
expm1 = elementwise_op("expm1", np.expm1, lambda d, y, a: d * (y + 1), doc="``e ** x - 1``.", to_float=True)
log = elementwise_op("log", np.log, lambda d, y, a: d / a, doc="The natural logarithm.", to_float=True)
log1p = elementwise_op("log1p", np.log1p, lambda d, y, a: d / (1 + a), doc="``log(1 + x)``.", to_float=True)
log2 = elementwise_op(
    "log2", np.log2, lambda d, y, a: d / (a * math.log(2)), doc="The logarithm to base 2.", to_float=True
)
log10 = elementwise_op(
    "log10", np.log10, lambda d, y, a: d / (a * math.log(10)), doc="The logarithm to base 10.", to_float=True
)
logaddexp = elementwise_op(
    "logaddexp",
    np.logaddexp,
    lambda d, y, a, b: d * np.exp(a - y),
    lambda d, y, a, b: d * np.exp(b - y),
    doc="``log(exp(x1) + exp(x2))``.",
    to_float=True,
)
logaddexp2 = elementwise_op(
    "logaddexp2",
    np.logaddexp2,
    lambda d, y, a, b: d * np.exp2(a - y),
    lambda d, y, a, b: d * np.exp2(b - y),
    doc="``log2(2 ** x1 + 2 ** x2)``.",
    to_float=True,
)
hypot = elementwise_op(
    "hypot",
    np.hypot,
    lambda d, y, a, b: d * a / y,
    lambda d, y, a, b: d * b / y,
    doc="``sqrt(x1 ** 2 + x2 ** 2)``.",
    to_float=True,
)

# --- angles -----------------------------------------------------------------------------------------------------------

sin = elementwise_op("sin", np.sin, lambda d, y, a: d * np.cos(a), doc="The sine.", to_float=True)
cos = elementwise_op("cos", np.cos, lambda d, y, a: -d * np.sin(a), doc="The cosine.", to_float=True)
tan = elementwise_op("tan", np.tan, lambda d, y, a: d * (1 + y * y), doc="The tangent.", to_float=True)
arcsin = elementwise_op(
    "arcsin", np.arcsin, lambda d, y, a: d / np.sqrt(1 - a * a), doc="The inverse of the sine.", to_float=True
)
arccos = elementwise_op(
    "arccos", np.arccos, lambda d, y, a: -d / np.sqrt(1 - a * a), doc="The inverse of the cosine.", to_float=True
)
arctan = elementwise_op(
    "arctan", np.arctan, lambda d, y, a: d / (1 + a * a), doc="The inverse of the tangent.", to_float=True
)
arctan2 = elementwise_op(
    "arctan2",
    np.arctan2,
    lambda d, y, a, b: d * b / (a * a + b * b),
    lambda d, y, a, b: -d * a / (a * a + b * b),
    doc="The angle of the point (x2, x1).",
    to_float=True,
)
sinh = elementwise_op("sinh", np.sinh, lambda d, y, a: d * np.cosh(a), doc="The hyperbolic sine.", to_float=True)
cosh = elementwise_op("cosh", np.cosh, lambda d, y, a: d * np.sinh(a), doc="The hyperbolic cosine.", to_float=True)
tanh = elementwise_op("tanh", np.tanh, lambda d, y, a: d * (1 - y * y), doc="The hyperbolic tangent.", to_float=True)
arcsinh = elementwise_op(
    "arcsinh", np.arcsinh, lambda d, y, a: d / np.sqrt(a * a + 1), doc="The inverse of sinh.", to_float=True
)
arccosh = elementwise_op(
    "arccosh", np.arccosh, lambda d, y, a: d / np.sqrt(a * a - 1), doc="The inverse of cosh.", to_float=True
)
arctanh = elementwise_op(
    "arctanh", np.arctanh, lambda d, y, a: d / (1 - a * a), doc="The inverse of tanh.", to_float=True
)
deg2rad = elementwise_op("deg2rad", np.deg2rad, lambda d, y, a: np.deg2rad(d), doc="Degrees in radians.", to_float=True)
rad2deg = elementwise_op("rad2deg", np.rad2deg, lambda d, y, a: np.rad2deg(d), doc="Radians in degrees.", to_float=True)


def _d_sinc(d: Array, y: Array, x: Array) -> Array:
    nonzero = np.where(x == 0, 1, x)
    return d * np.where(x == 0, 0, (np.cos(np.pi * x) - y) / nonzero)


sinc = elementwise_op("sinc", np.sinc, _d_sinc, doc="``sin(pi x) / (pi x)``.", to_float=True)

# --- the error function -----------------------------------------------------------------------------------------------


def _special(name: str) -> Any:
    """A function of scipy.special, which is imported when it is first called."""

    def function(x: Any) -> Any:
        import scipy.special

        return np.asarray(getattr(scipy.special, name)(x), np.asarray(x).dtype)

    return function


_SLOPE = 2 / math.sqrt(math.pi)
erf = elementwise_op(
    "erf", _special("erf"), lambda d, y, a: d * _SLOPE * np.exp(-a * a), doc="The error function.", to_float=True
)
erfc = elementwise_op(
    "erfc", _special("erfc"), lambda d, y, a: -d * _SLOPE * np.exp(-a * a), doc="``1 - erf(x)``.", to_float=True
)
erfinv = elementwise_op(
    "erfinv",
    _special("erfinv"),
    lambda d, y, a: d / _SLOPE * np.exp(y * y),
    doc="The inverse of the error function.",
    to_float=True,
)

# --- signs and steps --------------------------------------------------------------------------------------------------

absolute = elementwise_op("absolute", np.absolute, lambda d, y, a: d * np.sign(a), doc="The absolute value.")
abs = elementwise_op("abs", np.absolute, lambda d, y, a: d * np.sign(a), doc="The absolute value.")
fabs = elementwise_op(
    "fabs", np.absolute, lambda d, y, a: d * np.sign(a), doc="The absolute value, as a float.", to_float=True
)
sign = elementwise_op("sign", np.sign, _stepped, doc="-1, 0 or 1.")
floor = elementwise_op(
    "floor", np.floor, _stepped, doc="The largest whole number that is not above `x`.", to_float=True
)
ceil = elementwise_op("ceil", np.ceil, _stepped, doc="The smallest whole number that is not below `x`.", to_float=True)
trunc = elementwise_op("trunc", np.trunc, _stepped, doc="`x` without what stands behind the point.")
heaviside = elementwise_op(
    "heaviside",
    np.heaviside,
    _stepped,
    lambda d, y, a, b: d * (np.asarray(a) == 0),
    doc="0 for a negative `x1`, 1 for a positive one, `x2` for 0.",
    to_float=True,
)


@composite()
def round(x: Any, decimals: int = 0) -> Any:
    """`x` rounded to so many decimals, halves to the even number."""
    return _round(x, decimals)


@primitive()
def _round(x: Any, decimals: int) -> tuple[Any, Any]:
    return np.round(x, decimals), (np.zeros_like,)


@primitive()
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> tuple[Any, Any]:
    """`x` with other numbers in the place of NaN and the infinities; the largest there are where none is named."""
    (x,) = promoted([x])
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf), (lambda d: d * np.isfinite(x),)


# --- complex numbers, of which there are none -------------------------------------------------------------------------


conjugate = elementwise_op("conjugate", np.conjugate, lambda d, y, a: d, doc="`x` itself.")
conj = elementwise_op("conj", np.conjugate, lambda d, y, a: d, doc="`x` itself.")
real = elementwise_op("real", np.conjugate, lambda d, y, a: d, doc="`x` itself.")


@primitive()
def imag(x: Any) -> tuple[Any, Any]:
    """Zeros, for there are real numbers only."""
    return np.zeros_like(x), None
