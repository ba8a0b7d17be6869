"""Keras's operations on the tensors of a graph."""

from fastgru.ops.operation import operation

__all__ = ["operation"]


def __dir__() -> list[str]:
    return __all__
