"""The page where one draws a digit and looks inside the GRU that reads it: `page` makes it, `serve` shows it."""

from fastgru.playground.page import page
from fastgru.playground.server import serve

__all__ = ["page", "serve"]


def __dir__() -> list[str]:
    return __all__
