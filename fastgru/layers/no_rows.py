"""Batches without rows: what comes out of them has the shapes that one row would give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastgru import tree
from fastgru.autodiff.tensor import plain, tensor
from fastgru.types import Array

__all__ = ["outputs_without_rows", "without_rows"]


def without_rows(arrays: Sequence[Any]) -> bool:
    """Whether these are arrays without a row, each of whose rows would hold something."""
    shapes = [x.shape if isinstance(x, np.ndarray) else () for x in arrays]
    return bool(shapes) and all(shape[:1] == (0,) and 0 not in shape[1:] for shape in shapes)


def outputs_without_rows(run: Callable[..., Any], arrays: Sequence[Array]) -> Any:
    """The outputs of `run`, which takes the arrays one by one, for arrays without rows."""
    outputs = run(*[np.zeros((1, *x.shape[1:]), x.dtype) for x in arrays])

    def cut(y: Any) -> Any:
        return y[:0] if isinstance(y, np.ndarray) else tensor(plain(y)[:0])

    return tree.map_structure(cut, outputs)
