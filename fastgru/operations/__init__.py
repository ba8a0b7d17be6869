"""Keras's operations on the tensors of a graph."""

from fastgru.operations import conversions, elementwise, reductions, shapes  # noqa: F401  # each registers its operations
from fastgru.operations.operation import operation

__all__ = ["operation"]


def __dir__() -> list[str]:
    return __all__
