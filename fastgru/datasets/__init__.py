"""Data sets under Keras's names, and the digits that come with the package."""

from fastgru.datasets import digits, imdb, mnist, reuters

__all__ = ["digits", "imdb", "mnist", "reuters"]


def __dir__() -> list[str]:
    return __all__
