"""Keras's operations on the tensors of a graph; their classes are made when they are asked for."""

from __future__ import annotations

import typing  # as a whole: one of the operations is called Any

from fastgru import registry
from fastgru.operations.names import OP_OF_CLASS

if typing.TYPE_CHECKING:
    from fastgru.operations.operation import draw as draw

__all__ = sorted(OP_OF_CLASS)


def __getattr__(name: str) -> typing.Any:
    if name not in OP_OF_CLASS and name != "draw":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fastgru.operations.operation import draw, operation

    return draw if name == "draw" else operation(name)


def __dir__() -> list[str]:
    return __all__


registry.offer(registry.OPERATIONS, __name__)
