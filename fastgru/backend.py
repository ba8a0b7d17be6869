"""What old programs call by ``from keras import backend as K``: the functions of Keras 1 and 2 as ops of today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import ops, random, utils
from fastgru.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.layers.variable import Variable
from fastgru.layers.weight import publish

# of the same name and arguments
from fastgru.ops import (
    abs,
    arange,
    argmax,
    argmin,
    cast,
    categorical_crossentropy,
    concatenate,
    cos,
    cumprod,
    cumsum,
    dot,
    dtype,
    elu,
    equal,
    exp,
    expand_dims,
    eye,
    greater,
    greater_equal,
    hard_sigmoid,
    less,
    less_equal,
    log,
    max,
    maximum,
    mean,
    min,
    minimum,
    ndim,
    not_equal,
    one_hot,
    ones_like,
    prod,
    reshape,
    round,
    shape,
    sigmoid,
    sign,
    sin,
    softmax,
    softplus,
    softsign,
    sparse_categorical_crossentropy,
    sqrt,
    square,
    squeeze,
    stack,
    std,
    stop_gradient,
    sum,
    tanh,
    tile,
    transpose,
    var,
    zeros_like,
)  # isort: skip
from fastgru.ops.op import as_dtype
from fastgru.types import Array

__all__ = [
    "abs",
    "all",
    "any",
    "arange",
    "argmax",
    "argmin",
    "backend",
    "batch_dot",
    "batch_flatten",
    "bias_add",
    "binary_crossentropy",
    "cast",
    "categorical_crossentropy",
    "clear_session",
    "clip",
    "concatenate",
    "constant",
    "cos",
    "cumprod",
    "cumsum",
    "dot",
    "dtype",
    "elu",
    "epsilon",
    "equal",
    "eval",
    "exp",
    "expand_dims",
    "eye",
    "flatten",
    "floatx",
    "gather",
    "get_value",
    "greater",
    "greater_equal",
    "hard_sigmoid",
    "image_data_format",
    "int_shape",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "l2_normalize",
    "less",
    "less_equal",
    "log",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "ndim",
    "not_equal",
    "one_hot",
    "ones",
    "ones_like",
    "permute_dimensions",
    "pow",
    "prod",
    "random_normal",
    "random_uniform",
    "relu",
    "repeat",
    "repeat_elements",
    "reshape",
    "reverse",
    "round",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_value",
    "shape",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "softplus",
    "softsign",
    "sparse_categorical_crossentropy",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "standardize_dtype",
    "std",
    "stop_gradient",
    "sum",
    "switch",
    "tanh",
    "tile",
    "transpose",
    "truncated_normal",
    "var",
    "variable",
    "zeros",
    "zeros_like",
]


def __dir__() -> list[str]:
    return __all__


# --- what a process is ------------------------------------------------------------------------------------------------


def clear_session() -> None:
    """`fastgru.utils.clear_session`."""
    utils.clear_session()


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype: of a name, of one of numpy's or Python's, of None that of `floatx`."""
    return as_dtype({float: "float32", int: "int32"}.get(dtype, dtype)).name


def is_float_dtype(dtype: Any) -> bool:
    """Whether it is one of floats."""
    return standardize_dtype(dtype).startswith("float")


def is_int_dtype(dtype: Any) -> bool:
    """Whether it is one of whole numbers."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


# --- variables and values ---------------------------------------------------------------------------------------------


def variable(
    value: Any, dtype: npt.DTypeLike | None = None, name: str | None = None, constraint: Any = None
) -> Variable:
    """A variable with these numbers."""
    made = Variable(np.asarray(value, "float32" if dtype is None else dtype), name=name)
    made.constraint = constraint
    return made


def constant(value: Any, dtype: npt.DTypeLike | None = None, shape: Any = None, name: str | None = None) -> Any:
    """A tensor with these numbers, repeated to a shape where one is named."""
    x = ops.convert_to_tensor(np.asarray(value, "float32" if dtype is None else dtype))
    return x if shape is None else ops.broadcast_to(x, shape)


def zeros(shape: Any, dtype: npt.DTypeLike | None = None, name: str | None = None) -> Variable:
    """A variable of zeros."""
    return variable(np.zeros(shape), dtype, name)


def ones(shape: Any, dtype: npt.DTypeLike | None = None, name: str | None = None) -> Variable:
    """A variable of ones."""
    return variable(np.ones(shape), dtype, name)


def eval(x: Any) -> Array:
    """The numbers of a tensor or variable."""
    return ops.convert_to_numpy(x)


def get_value(x: Any) -> Array:
    """The numbers of a variable."""
    return ops.convert_to_numpy(x)


def set_value(x: Variable, value: Any) -> None:
    """Give a variable other numbers."""
    publish({x: np.array(np.broadcast_to(value, x.shape), x.dtype, order="C")})


def int_shape(x: Any) -> tuple[Any, ...]:
    """The sizes of the axes."""
    return ops.shape(x)


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is a symbolic tensor."""
    return isinstance(x, SymbolicTensor)


def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: npt.DTypeLike | None = None, seed: int | None = None
) -> Any:
    """Normal numbers."""
    return random.normal(shape, mean, stddev, dtype, seed)


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: npt.DTypeLike | None = None, seed: int | None = None
) -> Any:
    """Normal numbers that are at most two deviations from the mean."""
    return random.truncated_normal(shape, mean, stddev, dtype, seed)


def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: npt.DTypeLike | None = None, seed: int | None = None
) -> Any:
    """Evenly distributed numbers."""
    return random.uniform(shape, minval, maxval, dtype, seed)


# --- under other names or with other arguments ------------------------------------------------------------------------


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all are true."""
    return ops.all(ops.cast(x, "bool"), axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether one is true."""
    return ops.any(ops.cast(x, "bool"), axis, keepdims)


def pow(x: Any, a: Any) -> Any:
    """``x ** a``."""
    return ops.power(x, a)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """`x` between two bounds, either of which may be None."""
    return ops.clip(x, -np.inf if min_value is None else min_value, np.inf if max_value is None else max_value)


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """`x` above the threshold, `alpha` times the distance to it below, `max_value` at most."""
    y = ops.where(ops.cast(x, floatx()) > threshold, x, alpha * (x - threshold) if alpha else 0.0)
    return y if max_value is None else ops.minimum(y, max_value)


def l2_normalize(x: Any, axis: Any = None) -> Any:
    """`x` divided by its Euclidean norm along an axis, or of all."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis, keepdims=True), 1e-12))


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """`ops.binary_crossentropy`."""
    return ops.binary_crossentropy(target, output, from_logits)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """The axes in another order."""
    return ops.transpose(x, pattern)


def repeat(x: Any, n: int) -> Any:
    """`x` (B, F), `n` times as steps (B, n, F)."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each entry along an axis, `rep` times."""
    return ops.repeat(x, rep, axis)


def reverse(x: Any, axes: Any) -> Any:
    """The entries along axes, from last to first."""
    return ops.flip(x, axes)


def gather(reference: Any, indices: Any) -> Any:
    """The rows at `indices`."""
    return ops.take(reference, indices, axis=0)


def flatten(x: Any) -> Any:
    """All numbers in a row."""
    return ops.ravel(x)


def batch_flatten(x: Any) -> Any:
    """The numbers of each sample in a row."""
    return ops.reshape(x, (ops.shape(x)[0] or -1, int(np.prod(ops.shape(x)[1:]))))


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """`x` with a bias added along its channels."""
    if data_format == "channels_first":
        bias = ops.reshape(bias, (1, -1, *[1] * (ops.ndim(x) - 2)))
    return x + bias


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One of two tensors, or of what two functions return."""
    then, other = (one() if callable(one) else one for one in (then_expression, else_expression))
    condition = ops.cast(condition, "bool")
    missing = ops.ndim(then) - ops.ndim(condition)
    return ops.where(ops.expand_dims(condition, list(range(-missing, 0))) if missing > 0 else condition, then, other)


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """The products of `x` and `y`, sample by sample, along one axis of each (the last, and the last but one)."""
    ranks = ops.ndim(x), ops.ndim(y)
    if axes is None:
        axes = ranks[0] - 1, ranks[1] - 2 if ranks[1] > 2 else ranks[1] - 1
    first, second = (axes, axes) if isinstance(axes, int) else axes
    letters = iter("bcdefghijklmnop")
    of_x, of_y = (["a", *(next(letters) for _ in range(rank - 1))] for rank in ranks)
    of_y[second % ranks[1]] = of_x[first % ranks[0]] = "z"
    of_result = [letter for letter in (*of_x, *of_y[1:]) if letter != "z"]
    result = ops.einsum(f"{''.join(of_x)},{''.join(of_y)}->{''.join(of_result)}", x, y)
    return ops.expand_dims(result, 1) if ops.ndim(result) == 1 else result
