"""The arrays that eager calls and ops return: numpy's, and a tape follows what is done to them.

Operators, indexing and numpy's functions on a tensor become the op of the same name, which a tape records. Where no
tape follows the tensor, a numpy function is numpy's own, on plain arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

import fastgru
from fastgru import tree
from fastgru.autodiff.operators import Operators, Watchable
from fastgru.autodiff.recording import is_recorded
from fastgru.types import Array

__all__ = ["Tensor", "array_function", "array_ufunc", "plain", "tensor"]

# numpy's functions whose ops have another name
_RENAMED = {
    "divide": "true_divide", "remainder": "mod", "amax": "max", "amin": "min", "conj": "conjugate",
    "degrees": "rad2deg", "radians": "deg2rad", "invert": "bitwise_invert", "bitwise_count": "",
}  # fmt: skip
_REDUCED = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}


def plain(x: Any) -> Any:
    """`x`, a tensor or variable in it as the plain array that it is; also in lists, tuples and dicts."""
    if isinstance(x, Tensor):
        return x.view(np.ndarray)
    if isinstance(x, Watchable):
        return x.read()
    if type(x) in (list, tuple):
        return type(x)([plain(entry) for entry in x])
    return {key: plain(entry) for key, entry in x.items()} if type(x) is dict else x


def tensor(x: Any) -> Tensor:
    """A new tensor on the numbers of an array."""
    return (x if type(x) is np.ndarray else np.asarray(x)).view(Tensor)


def _refuse(what: str) -> NoReturn:
    raise TypeError(
        f"{what} of a tensor that a gradient tape follows has no gradient in fastgru; take one of fastgru.ops, or "
        "cut the tensor off with ops.stop_gradient(x)."
    )


def _method(name: str, op_name: str | None = None) -> Callable[..., Any]:
    """numpy's method of an array, as the op where a tape follows the tensor."""

    def method(self: Tensor, *arguments: Any, **options: Any) -> Any:
        if not is_recorded((self, *arguments)):
            return getattr(self.view(np.ndarray), name)(*plain(arguments), **plain(options))
        op = getattr(fastgru.ops, op_name or name)
        try:
            return op(self, *arguments, **options)
        except TypeError:
            _refuse(f"the method {name!r} with these arguments")

    method.__name__ = name
    return method


def _in_place(name: str) -> Callable[..., Any]:
    """A method that writes into the tensor, for one that no tape follows."""

    def method(self: Tensor, *arguments: Any, **options: Any) -> Any:
        if is_recorded((self, *arguments)):
            _refuse(f"the method {name!r}, which writes into it (ops.slice_update and ops.scatter_update do not),")
        return getattr(np.ndarray, name)(self, *arguments, **options)

    method.__name__ = name
    return method


def _differentiated(ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """A ufunc of a tensor that a tape follows, or its `reduce`, as the op."""
    name = ufunc.__name__
    named = {key: value for key, value in options.items() if value is not None and key != "dtype"}
    if method == "__call__":
        op_name = _RENAMED.get(name, name)
    else:
        op_name = _REDUCED.get(name, "") if method == "reduce" else ""
        name = f"{name}.{method}"
    op = getattr(fastgru.ops, op_name, None) if op_name else None
    if op is None or named.keys() - {"axis", "keepdims"}:
        _refuse(f"numpy.{name}")
    return op(*inputs, **named)


def _compares_itself(other: Any) -> bool:
    """numpy's sign of an object that is not to be taken for an array, as `pytest.approx` is."""
    return getattr(type(other), "__array_ufunc__", True) is None


def array_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """What numpy's protocol asks tensors and variables: the op where a tape follows one of them, else numpy's own."""
    if is_recorded(inputs) or is_recorded(tree.flatten(options.get("out", ()))):
        return _differentiated(ufunc, method, inputs, options)
    # a scalar of numpy's has no say in the dtype, no more than a number of Python's
    numbers = [x.item() if isinstance(x, np.generic) else plain(x) for x in inputs]
    return getattr(ufunc, method)(*numbers, **plain(options))


def array_function(function: Any, arguments: Any, options: Any) -> Any:
    """The same for numpy's functions that are no ufuncs."""
    if not is_recorded(tree.flatten([arguments, options])):
        return function(*plain(tuple(arguments)), **plain(options))
    op = getattr(fastgru.ops, _RENAMED.get(function.__name__, function.__name__), None)
    if op is None:
        _refuse(f"numpy.{function.__name__}")
    try:
        return op(*arguments, **options)
    except TypeError:
        _refuse(f"numpy.{function.__name__} with these arguments")


class Tensor(Operators, np.ndarray):
    """An array of numbers as ops and layers return it.

    It is numpy's array in all that nobody differentiates, and shares its memory with what it was made of.
    """

    _keras_mask: Any = None  # (B, T) bool: which steps count, as the layer that made the tensor says
    __hash__ = None  # as numpy's arrays

    # numpy's methods that never ask `__array_function__`
    sum, mean, std, var = _method("sum"), _method("mean"), _method("std"), _method("var")
    max, min, prod, all, any = _method("max"), _method("min"), _method("prod"), _method("all"), _method("any")
    cumsum, cumprod, round, clip = _method("cumsum"), _method("cumprod"), _method("round"), _method("clip")
    ravel, flatten, squeeze = _method("ravel"), _method("flatten", "ravel"), _method("squeeze")
    swapaxes, repeat, take, dot = _method("swapaxes"), _method("repeat"), _method("take"), _method("dot")
    diagonal, trace, copy, astype = _method("diagonal"), _method("trace"), _method("copy"), _method("astype", "cast")
    fill, sort, put, partition, itemset = map(_in_place, ("fill", "sort", "put", "partition", "itemset"))
    __setitem__ = _in_place("__setitem__")

    def reshape(self, *shape: Any, **options: Any) -> Any:
        if options or not is_recorded((self,)):
            return self.view(np.ndarray).reshape(*shape, **options)
        return fastgru.ops.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        if not is_recorded((self,)):
            return self.view(np.ndarray).transpose(*axes)
        return fastgru.ops.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    @property
    def T(self) -> Any:
        return self.transpose()

    def numpy(self) -> Array:
        """A copy of the numbers, as a plain array that no tape follows."""
        return np.array(self.view(np.ndarray))

    # `x += y` makes a new tensor, as in Keras: a tape knows the numbers from before
    __iadd__, __isub__, __imul__ = Operators.__add__, Operators.__sub__, Operators.__mul__
    __itruediv__, __ipow__ = Operators.__truediv__, Operators.__pow__

    def __eq__(self, other: Any) -> Any:
        return NotImplemented if _compares_itself(other) else fastgru.ops.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return NotImplemented if _compares_itself(other) else fastgru.ops.not_equal(self, other)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return array_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        return array_function(function, arguments, options)
