"""Weights between PyTorch's layout, which is (GH, F) with a GRU's gates r z n, and the kernels', (F, GH) and z r h."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fastgru import kernels
from fastgru.bridges.sequence import Cell, Weights
from fastgru.types import Array

__all__ = ["WeightCache", "d_parameters", "read"]

# of each of the kernels' gates its place among PyTorch's; the same back, for an exchange undoes itself
_GATES = {"gru": (1, 0, 2), "lstm": (0, 1, 2, 3)}


def _transposed(weight: Any, kind: str) -> Array:
    """(GH, F) as (F, GH) with the kernels' gates."""
    gates = _GATES[kind]
    units = len(weight) // len(gates)
    out = torch.empty(weight.shape[1], len(gates), units, dtype=weight.dtype)
    for place, gate in enumerate(gates):
        out[:, place] = weight[gate * units : (gate + 1) * units].t()
    array: Array = out.view(weight.shape[1], -1).numpy()
    return array


def _transposed_back(array: Array, kind: str) -> Any:
    gates = _GATES[kind]
    kernel = torch.from_numpy(array).view(len(array), len(gates), -1)
    out = torch.empty(array.shape[1], len(array), dtype=kernel.dtype)
    units = kernel.shape[2]
    for place, gate in enumerate(gates):
        out[gate * units : (gate + 1) * units] = kernel[:, place].t()
    return out


def _exchanged(bias: Any) -> Any:
    """The gates of a GRU's bias (3H,) in the other order."""
    first, second, third = bias.chunk(3)
    return torch.cat([second, first, third])


def read(cell: Cell, parameters: Sequence[Any]) -> Weights:
    """Of weight_ih, weight_hh and, where there are any, bias_ih and bias_hh."""
    with torch.no_grad():
        kernel, recurrent_kernel = (_transposed(weight, cell.kind) for weight in parameters[:2])
        if len(parameters) == 2:
            bias = None
        elif cell.kind == "gru":
            bias = torch.stack([_exchanged(each) for each in parameters[2:]]).numpy()
        else:
            bias = (parameters[2] + parameters[3]).numpy()
    return Weights(cell, kernel, recurrent_kernel, bias)


def d_parameters(cell: Cell, d_weights: Sequence[Array | None]) -> list[Any]:
    """The gradients of the parameters, from those of kernel, recurrent kernel and bias."""
    gradients = [None if d is None else _transposed_back(d, cell.kind) for d in d_weights[:2]]
    d_bias = d_weights[2]
    if d_bias is None:
        return [*gradients, None, None]
    if cell.kind == "gru":
        return [*gradients, *(_exchanged(torch.from_numpy(row)) for row in d_bias)]
    return [*gradients, torch.from_numpy(d_bias), torch.from_numpy(d_bias.copy())]


class WeightCache:
    """The weights of one direction, read and packed anew when they have changed.

    PyTorch counts the changes of a tensor, but not those through ``.data`` or numpy, so the numbers are compared with
    those of a copy, which takes a tenth of the time that reading and packing them take.
    """

    def __init__(self) -> None:
        self._last: tuple[list[Array], Weights] | None = None

    def read(self, cell: Cell, parameters: Sequence[Any]) -> Weights:
        arrays = [parameter.detach().contiguous().numpy() for parameter in parameters]
        last = self._last
        if last is not None and arrays[0].dtype == last[0][0].dtype and all(map(kernels.same_bytes, arrays, last[0])):
            return last[1]
        copies = [array.copy() for array in arrays]
        weights = read(cell, [torch.from_numpy(copy) for copy in copies])
        self._last = copies, weights
        return weights
