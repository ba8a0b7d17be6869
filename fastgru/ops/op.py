"""What makes a function an op: on arrays, under differentiation, and on the symbolic tensors of a graph.

An op is written once, on plain arrays: what it computes, and how a gradient by that is pulled back to its arguments.
Everything else is here: which dtype the result has, and what is recorded of it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np

from fastgru.autodiff.operators import Symbolic, Watchable
from fastgru.autodiff.recording import readers
from fastgru.autodiff.tensor import Tensor, tensor
from fastgru.types import Array

__all__ = [
    "as_dtype",
    "common_dtype",
    "composite",
    "elementwise",
    "elementwise_op",
    "floating",
    "primitive",
    "promoted",
    "recordable",
    "reduced_axes",
    "values",
    "with_axes",
]

_P = ParamSpec("_P")
_NUMBERS = (float, int, bool)
_ndarray = np.ndarray
_FLOATX = np.dtype("float32")
_FLOAT64 = np.dtype("float64")


def as_dtype(dtype: Any, default: str = "float32") -> np.dtype[Any]:
    """numpy's dtype for a name, a dtype or None; ValueError for one that numpy has not."""
    try:
        return np.dtype({"float": "float32", "int": "int32", None: default}.get(dtype, dtype))
    except TypeError:
        raise ValueError(f"expected the name of a numpy dtype, got {dtype!r}.") from None


def values(x: Any) -> Any:
    """The plain array of an argument; numbers of Python stay numbers, which have no say in a result's dtype.

    Lists become arrays of Keras's dtypes: float32, int32 or bool.
    """
    kind = type(x)
    if kind is Tensor:
        return x.view(np.ndarray)
    if kind is np.ndarray or kind in _NUMBERS:
        return x
    if isinstance(x, Watchable):
        return x.read()
    if isinstance(x, np.ndarray):
        return x.view(np.ndarray)
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, Symbolic):
        raise TypeError(f"expected arrays, got {x!r} in the middle of a structure; give it as an argument of its own.")
    if isinstance(x, (list, tuple)):
        # with the tensors inside as arrays; what a tape follows is stacked by ops.stack
        x = [values(entry) for entry in x]
    array = np.asarray(x)
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"expected numbers, got {type(x).__name__} {x!r}.")
    if isinstance(x, list) and not any(isinstance(leaf, np.ndarray) for leaf in _leaves(x)):
        return array.astype({"f": "float32", "i": "int32", "u": "int32"}.get(array.dtype.kind, array.dtype))
    return array


def recordable(x: Any) -> Any:
    """`values`, of a plain array a copy: the way back may read it when its owner has written other numbers into it."""
    return np.array(x) if type(x) is np.ndarray and x.flags.writeable else values(x)


def _leaves(entries: list[Any]) -> list[Any]:
    return [leaf for entry in entries for leaf in (_leaves(entry) if isinstance(entry, list) else [entry])]


def floating(x: Any) -> Array:
    """`x` as an array of floats: what is none becomes float32, as in Keras."""
    array = np.asarray(x, _FLOATX) if type(x) in _NUMBERS else x
    return array if array.dtype.kind in "fc" else array.astype(_FLOATX)


def promoted(arguments: Sequence[Any], to_float: bool = False) -> Sequence[Any]:
    """The arguments in the dtype of their result, as Keras promotes: integers never widen a float."""
    dtypes = {x.dtype for x in arguments if isinstance(x, np.ndarray)}
    if len(dtypes) == 1:
        (dtype,) = dtypes
        kind = dtype.kind
        if kind == "f" or (not to_float and kind in "iu" and not any(type(x) is float for x in arguments)):
            return arguments
    dtype = common_dtype(dtypes, [type(x) for x in arguments if not isinstance(x, np.ndarray)])
    if to_float and dtype.kind not in "fc":
        dtype = _FLOATX
    return [np.asarray(x, dtype) for x in arguments]


def common_dtype(dtypes: Any, numbers: Sequence[type]) -> np.dtype[Any]:
    """The dtype that arrays of these dtypes and numbers of these types have in common."""
    floats = [dtype for dtype in dtypes if dtype.kind in "fc"]
    if floats:
        return np.result_type(*floats)
    if float in numbers:
        return _FLOATX
    if not dtypes:
        return np.dtype("int32" if int in numbers else "bool")
    dtype = np.result_type(*dtypes)
    if dtype == _FLOAT64:  # of uint64 and a signed integer
        return _FLOATX
    return np.dtype("int32") if dtype.kind == "b" and int in numbers else dtype


def _symbolic(arguments: Sequence[Any]) -> Symbolic | None:
    """The first symbolic tensor among the arguments and in their lists."""
    for x in arguments:
        if type(x) is Tensor:
            continue
        if isinstance(x, Symbolic):
            return x
        if isinstance(x, (list, tuple)) and (inside := _symbolic(x)) is not None:
            return inside
    return None


def primitive(arrays: int = 1, listed: bool = False) -> Callable[[Callable[_P, tuple[Any, Any]]], Callable[_P, Any]]:
    """Decorator of an op that says itself how gradients are pulled back.

    The function takes plain arrays and returns what it computes, an array or a tuple of them, and the `Pull` of it,
    which is None for an op without gradients.

    Parameters
    ----------
    arrays : int
        How many of its first arguments are arrays; all positional ones where it is -1.
    listed : bool
        Whether the first argument is a list of arrays.
    """

    def decorate(function: Callable[_P, tuple[Any, Any]]) -> Callable[_P, Any]:
        names = function.__code__.co_varnames[:arrays]  # as `inspect` says, sooner

        @functools.wraps(function)
        def op(*args: _P.args, **kwargs: _P.kwargs) -> Any:
            arguments: Any = args
            options: dict[str, Any] = kwargs
            if options and len(args) < arrays:  # arrays may come by name
                named = [name for name in names[len(args) :] if name in options]
                arguments = (*args, *(options[name] for name in named))
                options = {name: value for name, value in options.items() if name not in named}
            symbol = _symbolic((*arguments, *options.values()) if options else arguments)
            if symbol is not None:
                return symbol.draw(op.__name__, args, kwargs)
            inputs = tuple(arguments[0]) if listed else arguments if arrays < 0 else arguments[:arrays]
            recordings = readers(inputs)
            of = recordable if recordings else values
            numbers: Any = [x.view(_ndarray) if type(x) is Tensor else of(x) for x in inputs]
            if listed:
                y, pull = function(numbers, *arguments[1:], **options)
            else:
                y, pull = function(*numbers, *arguments[len(inputs) :], **options)
            outputs = tuple([tensor(part) for part in y]) if isinstance(y, (tuple, list)) else (tensor(y),)
            if pull is not None:
                for recording in recordings:
                    recording.add(outputs, inputs, pull)
            return outputs if isinstance(y, tuple) else list(outputs) if isinstance(y, list) else outputs[0]

        return _described(op, arrays, listed)

    return decorate


def composite(arrays: int = 1, listed: bool = False) -> Callable[[Callable[_P, Any]], Callable[_P, Any]]:
    """Decorator of an op that is made of others, from which its gradient follows; the parameters are `primitive`'s."""

    def decorate(function: Callable[_P, Any]) -> Callable[_P, Any]:
        @functools.wraps(function)
        def op(*args: _P.args, **kwargs: _P.kwargs) -> Any:
            symbol = _symbolic((*args, *kwargs.values()))
            if symbol is not None:
                return symbol.draw(op.__name__, args, kwargs)
            return function(*args, **kwargs)

        return _described(op, arrays, listed)

    return decorate


def _described(op: Any, arrays: int, listed: bool) -> Any:
    """An op that says how many of its arguments are arrays, and whether they come as a list."""
    op.arrays, op.listed = arrays, listed
    return op


def elementwise(
    name: str,
    function: Callable[..., Any],
    derivatives: tuple[Callable[..., Any], ...],
    arguments: tuple[Any, ...],
    to_float: bool = False,
) -> Any:
    """An op of one number of each argument, which are broadcast against each other.

    Parameters
    ----------
    name : str
        Of the op.
    function : callable
    derivatives : tuple of callable
        For each argument its gradient, from that of the output, the output and all arguments; none for a function
        that has none.
    arguments : tuple
    to_float : bool
        Whether integers become floats.
    """
    for x in arguments:
        if isinstance(x, Symbolic):
            return x.draw(name, arguments, {})
    recordings = readers(arguments)
    of = recordable if recordings else values
    numbers: Any = [x.view(_ndarray) if type(x) is Tensor else of(x) for x in arguments]
    if to_float or len(numbers) > 1 or type(numbers[0]) is not np.ndarray:
        numbers = promoted(numbers, to_float)
    y = np.asarray(function(*numbers))
    result = tensor(y)
    if derivatives:
        for recording in recordings:
            recording.add((result,), arguments, derivatives, (y, *numbers))
    return result


def elementwise_op(
    name: str,
    function: Callable[..., Any],
    *derivatives: Callable[..., Any],
    doc: str,
    to_float: bool = False,
    names: str = "x1 x2",
) -> Callable[..., Any]:
    """`elementwise` as a function with a name, arguments (two of them under Keras's `names`) and a docstring."""
    op: Callable[..., Any]
    if (getattr(function, "nin", None) or len(derivatives)) == 1:

        def op(x: Any) -> Any:
            return elementwise(name, function, derivatives, (x,), to_float)

    elif names == "x1 x2":

        def op(x1: Any, x2: Any) -> Any:
            return elementwise(name, function, derivatives, (x1, x2), to_float)

    else:

        def op(x: Any, y: Any) -> Any:
            return elementwise(name, function, derivatives, (x, y), to_float)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    _described(op, op.__code__.co_argcount, False)
    op.__module__ = sys._getframe(1).f_globals["__name__"]  # where it is defined: pickles and help() ask
    return op


def reduced_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes that are reduced, counted from the first; ValueError for one that is not there."""
    if axis is None:
        return tuple(range(rank))
    axes = (axis,) if type(axis) is int else tuple([int(one) for one in np.atleast_1d(axis)])
    for one in axes:
        if not -rank <= one < rank:
            raise ValueError(f"there is no axis {one} in an array of {rank} axes.")
    return tuple([one % rank for one in axes])


def with_axes(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with length 1 along the axes."""
    return tuple([1 if axis in axes else size for axis, size in enumerate(shape)])
