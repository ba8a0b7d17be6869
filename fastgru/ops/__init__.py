"""Keras's operations on the tensors of a graph."""

from fastgru.ops import conversions, elementwise, reductions, shapes  # noqa: F401  # each registers its operations
from fastgru.ops.operation import operation

__all__ = ["operation"]


def __dir__() -> list[str]:
    return __all__
