"""What of a Keras layer the kernels need to know, whatever computes beside them."""

from __future__ import annotations

from typing import NamedTuple

from fastgru.bridges.sequence import Cell

__all__ = ["PassOptions"]


class PassOptions(NamedTuple):
    """What of a recurrent layer stays the same from call to call.

    `sequences` says whether the states after all steps are asked for.
    """

    cell: Cell
    go_backwards: bool
    sequences: bool
