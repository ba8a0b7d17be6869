"""Models that answer step by step for many sessions, each of which goes on from states of its own."""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
