"""Tensors as arrays."""

from __future__ import annotations

from typing import Any

from fastgru.types import Array

__all__ = ["array_of"]


def array_of(tensor: Any) -> Array:
    """The numbers of a tensor, C-contiguous: its own where they lie so."""
    array: Array = tensor.detach().resolve_neg().contiguous().numpy()
    return array
