"""What functions and methods of PyTorch are on symbolic tensors of fastgru's."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from fastgru import layers, ops

__all__ = ["FUNCTIONS", "METHODS", "OF_STATES", "ONE_BY_ONE", "Refused", "States", "flatten", "log_softmax", "softmax"]

ONE_BY_ONE = "last states are taken one by one: h[-1], h[0]"


class Refused(Exception):
    """What has no counterpart."""


class States(list[Any]):
    """Last states: a tensor (layers and directions, B, H) to PyTorch, of which items are taken."""


def _item(value: Any, index: Any) -> Any:
    if isinstance(value, States):
        if not isinstance(index, int):
            raise Refused(ONE_BY_ONE)
        return value[index]
    if isinstance(value, (tuple, list)):
        return value[index]
    first = index[0] if isinstance(index, tuple) else index
    if first not in (slice(None), Ellipsis):
        raise Refused("an item along the batch")
    return value[index]


def _squeeze(x: Any, dim: int | None = None) -> Any:
    if isinstance(x, States):
        if dim != 0 or len(x) != 1:
            raise Refused("last states of several layers or directions are no single one")
        return x[0]
    if dim is None:
        raise Refused("squeeze without a dim, which may take the batch's away")
    return ops.squeeze(x, dim)


def _cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    if dim == 0:
        raise Refused("cat along the batch")
    return ops.concatenate(list(tensors), dim)


def _axis(x: Any, dim: Any) -> Any:
    """An axis, or several, none of which is the batch's."""
    if dim is None:
        raise Refused("no dim, which would be that of the batch, too")
    if any(axis % len(x.shape) == 0 for axis in (dim if isinstance(dim, (tuple, list)) else (dim,))):
        raise Refused("a dim that is the batch's")
    return dim


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if not isinstance(x, States):
            return function(x, _axis(x, dim), keepdims=keepdim)
        if dim != 0 or keepdim:
            raise Refused(ONE_BY_ONE)
        return function(ops.stack(x), 0)

    return call


def softmax(x: Any, dim: int | None = None, **others: Any) -> Any:
    """As `torch.softmax`."""
    return ops.softmax(x, _axis(x, dim))


def log_softmax(x: Any, dim: int | None = None, **others: Any) -> Any:
    """As `torch.log_softmax`."""
    return ops.log_softmax(x, _axis(x, dim))


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """As `torch.flatten`, of all axes behind the batch."""
    if start_dim != 1 or end_dim not in (-1, len(x.shape) - 1):
        raise Refused("flatten of other axes than all behind the batch")
    return layers.Flatten()(x)


def _dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return layers.Dropout(p)(x)


def _activation(function: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda x, inplace=False: function(x)


def _same(x: Any) -> Any:
    return x


_BY_NAME: dict[str, Callable[..., Any]] = {
    "relu": _activation(ops.relu),
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "squeeze": _squeeze,
    "unsqueeze": ops.expand_dims,
    "mean": _reduction(ops.mean),
    "sum": _reduction(ops.sum),
    "flatten": flatten,
}
#: what may be handed last states as a whole
OF_STATES = (_item, _squeeze, _BY_NAME["mean"], _BY_NAME["sum"])
#: methods of tensors
METHODS: dict[Any, Callable[..., Any]] = {**_BY_NAME, "contiguous": _same, "float": _same}
#: functions of torch, torch.nn.functional and operator
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{getattr(torch, name): function for name, function in _BY_NAME.items()},
    **{getattr(functional, name): _BY_NAME[name] for name in ("relu", "sigmoid", "tanh", "softmax", "log_softmax")},
    functional.silu: _activation(ops.silu),
    functional.dropout: _dropout,
    torch.cat: _cat,
    torch.concat: _cat,
    operator.getitem: _item,
    operator.add: operator.add,
    operator.sub: operator.sub,
    operator.mul: operator.mul,
    operator.truediv: operator.truediv,
    operator.neg: operator.neg,
    torch.add: operator.add,
    torch.mul: operator.mul,
}
