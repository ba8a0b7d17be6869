"""Weights between PyTorch's layout, which is (GH, F) with a GRU's gates r z n, and the kernels', (F, GH) and z r h."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fastgru import kernels
from fastgru.bridges.sequence import GATES, Cell, Weights
from fastgru.torch.arrays import array_of
from fastgru.types import Array

__all__ = ["WeightCache", "d_parameters", "read"]


def _in_order(blocks: Array, kind: str) -> Array:
    """Gates on the first axis from PyTorch's order to the kernels', or back, for an exchange undoes itself."""
    return blocks[[1, 0, 2]] if kind == "gru" else blocks


def _transposed(weight: Array, kind: str) -> Array:
    """(GH, F) as (F, GH) with the kernels' gates."""
    gates, (rows, features) = GATES[kind], weight.shape
    blocks = torch.from_numpy(_in_order(weight.reshape(gates, rows // gates, features), kind))
    array: Array = blocks.permute(2, 0, 1).contiguous().numpy()  # on several threads where it is large
    return array.reshape(features, rows)


def _transposed_back(array: Array, kind: str) -> Any:
    gates, (features, rows) = GATES[kind], array.shape
    blocks = torch.from_numpy(array.reshape(features, gates, rows // gates)).permute(1, 2, 0).contiguous()
    return torch.from_numpy(_in_order(blocks.numpy(), kind).reshape(rows, features))


def _exchanged(bias: Array) -> Array:
    """The gates of a GRU's bias (3H,) in the other order."""
    return _in_order(bias.reshape(3, -1), "gru").reshape(-1)


def read(cell: Cell, parameters: Sequence[Any]) -> Weights:
    """Of weight_ih, weight_hh and, where there are any, bias_ih and bias_hh."""
    arrays = [array_of(parameter) for parameter in parameters]
    kernel, recurrent_kernel = (_transposed(weight, cell.kind) for weight in arrays[:2])
    if len(arrays) == 2:
        bias = None
    elif cell.kind == "gru":
        bias = np.stack([_exchanged(each) for each in arrays[2:]])
    else:
        bias = arrays[2] + arrays[3]
    return Weights(cell, kernel, recurrent_kernel, bias)


def d_parameters(cell: Cell, d_weights: Sequence[Array | None]) -> list[Any]:
    """The gradients of the parameters, from those of kernel, recurrent kernel and bias."""
    gradients = [None if d is None else _transposed_back(d, cell.kind) for d in d_weights[:2]]
    d_bias = d_weights[2]
    if d_bias is None:
        return [*gradients, None, None]
    if cell.kind == "gru":
        return [*gradients, *(torch.from_numpy(_exchanged(row)) for row in d_bias)]
    return [*gradients, torch.from_numpy(d_bias), torch.from_numpy(d_bias.copy())]


class WeightCache:
    """The weights of one direction, read and packed anew when they have changed.

    PyTorch counts the changes of a tensor, but not those through ``.data`` or numpy, so the numbers are compared with
    those of a copy, which takes a tenth of the time that reading and packing them take.
    """

    def __init__(self) -> None:
        self._last: tuple[list[Array], Weights] | None = None

    def read(self, cell: Cell, parameters: Sequence[Any]) -> Weights:
        arrays = [array_of(parameter) for parameter in parameters]
        last = self._last
        if last is not None and arrays[0].dtype == last[0][0].dtype and all(map(kernels.same_bytes, arrays, last[0])):
            return last[1]
        copies = [array.copy() for array in arrays]
        weights = read(cell, [torch.from_numpy(copy) for copy in copies])
        self._last = copies, weights
        return weights
