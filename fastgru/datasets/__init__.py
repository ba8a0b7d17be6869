"""Data sets under Keras's names, and the digits that come with the package."""

from fastgru.datasets import digits, mnist

__all__ = ["digits", "mnist"]


def __dir__() -> list[str]:
    return __all__
