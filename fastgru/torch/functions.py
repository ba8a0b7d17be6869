"""What functions and methods of PyTorch are on symbolic tensors of fastgru's.

A tensor is a `Laid`: it is computed with the samples on its first axis, however PyTorch shows it, so that what moves
axes (``permute``, ``view``, ``transpose``, time-major sequences) costs nothing where it is undone. Sizes that are not
known are `Size`; the drawing is that of ONNX's graphs, of none here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from fastgru import layers, ops
from fastgru.onnx.drawing import Drawing, Filled
from fastgru.onnx.graph import Graph
from fastgru.onnx.layout import Factor, Laid
from fastgru.onnx.operators.shaping import concatenated, in_shape, picked
from fastgru.onnx.sizes import Size

__all__ = [
    "FUNCTIONS",
    "METHODS",
    "Refused",
    "States",
    "flatten",
    "is_batch",
    "item",
    "log_softmax",
    "on_last",
    "softmax",
    "whole",
]

_DRAWING = Drawing(Graph([], {}, [], [], 17, ""))


class Refused(Exception):
    """What has no counterpart."""


class States(list[Any]):
    """Last states, each (B, H): a tensor (layers and directions, B, H) to PyTorch, of which mostly items are taken."""

    @property
    def sizes(self) -> tuple[Any, ...]:
        """The shape that PyTorch has for them."""
        return (len(self), *self[0].sizes)

    def laid(self) -> Laid:
        """All of them as one tensor."""
        batch, units, count = (Factor(size) for size in (*self[0].sizes, len(self)))
        base = self[0].tensor() if len(self) == 1 else ops.concatenate([one.tensor() for one in self], -1)
        return Laid(base, ((batch,), (count, units)), ((count,), (batch,), (units,)))


def whole(value: Any) -> Any:
    """A value as one tensor, where it is last states."""
    return value.laid() if isinstance(value, States) else value


def is_batch(size: Any) -> bool:
    """Whether a size is the number of samples, which no operation may mix with others: the first size of the inputs."""
    if not isinstance(size, Size) or len(size.terms) != 1:
        return False
    ((term, count),) = size.terms.items()
    tensor: Any = term[0][0] if term else None
    return count == 1 and [axis[1:] for axis in term] == [(0,)] and isinstance(tensor.layer, layers.InputLayer)


def on_last(layer: Callable[[Any], Any], x: Any) -> Laid:
    """What a layer makes of the last axis."""
    x = whole(x)
    if is_batch(x.sizes[-1]):
        raise Refused("reads the samples as features; the batch stands last here")
    x = x if x.ends_alike else Laid.plain(x.tensor(), x.sizes)
    y = layer(x.base)
    return x.with_last(y, y.shape[-1])


# --- sizes ------------------------------------------------------------------------------------------------------------


def _size(x: Any, dim: int | None = None) -> Any:
    return tuple(x.sizes) if dim is None else x.sizes[dim]


def _attribute(x: Any, name: str) -> Any:
    if name == "shape":
        return _size(x)
    if name in ("device", "dtype"):
        return None  # of no account: what is made of them is read as zeros alone
    raise Refused(f".{name} has no counterpart here")


def _zeros(*sizes: Any, **options: Any) -> Filled:
    return Filled(tuple(_listed(sizes)), np.float32(0))


def _new_zeros(x: Any, *sizes: Any, **options: Any) -> Filled:
    return _zeros(*sizes)


def _zeros_like(x: Any, **options: Any) -> Filled:
    return _zeros(*x.sizes)


def _listed(values: Sequence[Any]) -> Sequence[Any]:
    return values[0] if len(values) == 1 and isinstance(values[0], (tuple, list)) else values


# --- what moves numbers -----------------------------------------------------------------------------------------------


def item(value: Any, index: Any) -> Any:
    """As ``value[index]``, by numbers and slices."""
    if isinstance(value, States) and isinstance(index, int):
        return value[index]
    if isinstance(value, States) and isinstance(index, slice) and value[index]:
        return States(value[index])
    if isinstance(value, (tuple, list)) and not isinstance(value, States):
        return value[index]
    x = whole(value)
    keys = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in keys:
        place = keys.index(Ellipsis)
        keys[place : place + 1] = [slice(None)] * (len(x.sizes) - sum(key is not None for key in keys) + 1)
    axis = 0
    for key in keys:
        if key is None:
            x = x.expanded([axis])
        elif not isinstance(key, (int, slice)):
            raise Refused(f"an item by {key!r}, which is neither a number nor a slice")
        elif key != slice(None):
            if is_batch(x.sizes[axis]):
                raise Refused("an item along the batch")
            x = picked(_DRAWING, x, axis, key)
        axis += not isinstance(key, int)
    return x


def _squeeze(x: Any, dim: int | None = None) -> Any:
    x = whole(x)
    ones = [axis for axis, size in enumerate(x.sizes) if isinstance(size, int) and size == 1]
    if dim is None:  # a batch of one sample stays a batch
        return x.squeezed(ones)
    axis = dim % len(x.sizes)
    return x.squeezed([axis]) if axis in ones else x


def _unsqueeze(x: Any, dim: int) -> Any:
    x = whole(x)
    return x.expanded([dim % (len(x.sizes) + 1)])


def _transpose(x: Any, first: int, second: int) -> Any:
    x = whole(x)
    axes = list(range(len(x.sizes)))
    axes[first], axes[second] = axes[second], axes[first]
    return x.transposed(axes)


def _permute(x: Any, *dims: Any) -> Any:
    x = whole(x)
    return x.transposed([dim % len(x.sizes) for dim in _listed(dims)])


def _view(x: Any, *sizes: Any) -> Any:
    x = whole(x)
    asked = [size if isinstance(size, Size) else int(size) for size in _listed(sizes)]
    y = in_shape(x, x.sizes, asked)
    if x.reshaped(y.sizes) is None and not (is_batch(x.sizes[0]) and y.sizes and y.sizes[0] == x.sizes[0]):
        raise Refused(f"the shape {_shown(y.sizes)} of {_shown(x.sizes)}, which mixes samples")
    return y


def _shown(sizes: Sequence[Any]) -> str:
    names = ("batch" if is_batch(size) else "?" if isinstance(size, Size) else str(size) for size in sizes)
    return f"({', '.join(names)})"


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """As `torch.flatten`."""
    x = whole(x)
    rank = len(x.sizes)
    first, last = start_dim % rank, end_dim % rank
    size: Any = 1
    for one in x.sizes[first : last + 1]:
        size = size * one
    return _view(x, [*x.sizes[:first], size, *x.sizes[last + 1 :]])


def _cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    values = [whole(one) for one in tensors]
    axis = dim % len(values[0].sizes)
    if any(is_batch(value.sizes[axis]) for value in values):
        raise Refused("cat along the batch")
    return concatenated(_DRAWING, values, axis)


def _stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    return _cat([_unsqueeze(one, dim) for one in tensors], dim)


# --- arithmetic and reductions ----------------------------------------------------------------------------------------


def _elementwise(function: Callable[..., Any], of_sizes: Callable[..., Any] | None = None) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        if of_sizes is not None and all(isinstance(value, (int, float, Size)) for value in values):
            return of_sizes(*values)
        arrays = [np.asarray(one) if isinstance(one, (int, float)) else whole(one) for one in values]
        return _DRAWING.elementwise(function, *arrays)

    return call


def _alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of one tensor, number by number."""

    def call(x: Any, inplace: bool = False) -> Any:
        x = whole(x)
        return x.on(function(x.base))

    return call


def _axis(x: Any, dim: Any) -> int:
    """An axis that is not the batch's."""
    if dim is None:
        raise Refused("no dim, which would be that of the batch, too")
    axis = int(dim) % len(x.sizes)
    if is_batch(x.sizes[axis]):
        raise Refused("a dim that is the batch's")
    return axis


def _along(function: Callable[[Any, int], Any], x: Any, dim: Any) -> Any:
    """A function of one axis that stays as long as it is."""
    x = whole(x)
    axis = _axis(x, dim)
    if x.ends_alike and axis == len(x.sizes) - 1:
        return x.on(function(x.base, -1))
    if x.order is None:
        x = Laid.plain(x.tensor(), x.sizes)
    return x.on(function(x.base, x.order[axis]))


def softmax(x: Any, dim: int | None = None, **others: Any) -> Any:
    """As `torch.softmax`."""
    return _along(ops.softmax, x, dim)


def log_softmax(x: Any, dim: int | None = None, **others: Any) -> Any:
    """As `torch.log_softmax`."""
    return _along(ops.log_softmax, x, dim)


def _reduced(function: Callable[..., Any], x: Any, dim: Any, keepdim: bool) -> Any:
    x = whole(x)
    axes = sorted(_axis(x, one) for one in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    for axis in reversed(axes):
        if x.order is None:
            x = Laid.plain(x.tensor(), x.sizes)
        place = x.order[axis]
        order = [one - (one > place) for one in x.order if one != place]
        sizes = [x.sizes[x.order.index(one)] for one in range(len(x.sizes)) if one != place]
        x = Laid.plain(function(x.base, place), sizes).transposed(order)
    return x.expanded(axes) if keepdim else x


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim=None, keepdim=False: _reduced(function, x, dim, keepdim)


def _with_places(function: Callable[..., Any], places: Callable[..., Any]) -> Callable[..., Any]:
    """The largest numbers along an axis, and where they are."""

    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return tuple(_reduced(one, x, dim, keepdim) for one in (function, places))

    return call


def _matmul(a: Any, b: Any) -> Any:
    a, b = whole(a), whole(b)
    rank = len(a.sizes)
    if len(b.sizes) != rank or not all(is_batch(one.sizes[0]) for one in (a, b)) or rank < 3:
        raise Refused("a product of other tensors than of one matrix for each sample")
    if b.sizes[-2] != a.sizes[-1]:
        raise Refused(f"a product of the shapes {_shown(a.sizes)} and {_shown(b.sizes)}")
    y = ops.matmul(a.tensor(), b.tensor())
    return Laid.plain(y, [*a.sizes[:-1], b.sizes[-1]])


def _dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return _alone(layers.Dropout(p))(x)


def _same(x: Any, *others: Any, **named: Any) -> Any:
    return x


_ADD, _SUB = _elementwise(ops.add, operator.add), _elementwise(ops.subtract, operator.sub)
_MUL, _DIV = _elementwise(ops.multiply, operator.mul), _elementwise(ops.divide, operator.truediv)
_BY_NAME: dict[str, Callable[..., Any]] = {
    "add": _ADD, "bmm": _matmul, "flatten": flatten, "log_softmax": log_softmax, "matmul": _matmul,
    "max": _with_places(ops.max, ops.argmax), "mean": _reduction(ops.mean), "min": _with_places(ops.min, ops.argmin),
    "mul": _MUL, "permute": _permute, "relu": _alone(ops.relu), "reshape": _view, "sigmoid": _alone(ops.sigmoid),
    "softmax": softmax, "squeeze": _squeeze, "sub": _SUB, "sum": _reduction(ops.sum), "tanh": _alone(ops.tanh),
    "transpose": _transpose, "unsqueeze": _unsqueeze, "zeros_like": _zeros_like,
}  # fmt: skip
#: methods of tensors
METHODS: dict[Any, Callable[..., Any]] = {
    **_BY_NAME, "new_zeros": _new_zeros, "size": _size, "view": _view,
    **dict.fromkeys(
        ("contiguous", "clone", "cpu", "cuda", "detach", "double", "float", "long", "requires_grad_", "to"), _same
    ),
}  # fmt: skip
#: functions of torch, torch.nn.functional and operator
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{getattr(torch, name): function for name, function in _BY_NAME.items()},
    **{getattr(functional, name): _BY_NAME[name] for name in ("relu", "sigmoid", "tanh", "softmax", "log_softmax")},
    functional.silu: _alone(ops.silu),
    functional.dropout: _dropout,
    getattr: _attribute,
    torch.cat: _cat,
    torch.concat: _cat,
    torch.stack: _stack,
    torch.zeros: _zeros,
    operator.getitem: item,
    operator.add: _ADD,
    operator.sub: _SUB,
    operator.mul: _MUL,
    operator.truediv: _DIV,
    operator.floordiv: operator.floordiv,
    operator.matmul: _matmul,
    operator.neg: _alone(ops.negative),
}
