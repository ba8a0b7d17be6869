"""What functions and methods of PyTorch are on symbolic tensors of fastgru's."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from fastgru import layers, ops

__all__ = ["FUNCTIONS", "METHODS", "Refused", "States"]


class Refused(Exception):
    """What has no counterpart."""


class States(list[Any]):
    """Last states: a tensor (layers and directions, B, H) to PyTorch, of which items are taken."""


def _item(value: Any, index: Any) -> Any:
    if isinstance(value, States):
        if not isinstance(index, int):
            raise Refused("last states are taken one by one: h[-1], h[0]")
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


def _mean(x: Any, dim: Any, keepdim: bool = False) -> Any:
    return ops.mean(x, dim, keepdims=keepdim)


def _sum(x: Any, dim: Any, keepdim: bool = False) -> Any:
    return ops.sum(x, dim, keepdims=keepdim)


def _softmax(x: Any, dim: int = -1, **others: Any) -> Any:
    return ops.softmax(x, dim)


def _log_softmax(x: Any, dim: int = -1, **others: Any) -> Any:
    return ops.log_softmax(x, dim)


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
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
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "squeeze": _squeeze,
    "unsqueeze": ops.expand_dims,
    "mean": _mean,
    "sum": _sum,
    "flatten": _flatten,
}
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
