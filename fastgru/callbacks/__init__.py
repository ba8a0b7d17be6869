"""Keras's callbacks: objects that `fit`, `evaluate` and `predict` call at fixed moments."""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
