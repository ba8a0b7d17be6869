"""Keras 3 and fastgru side by side: Keras's models on fastgru's kernels, and fastgru's models made of Keras's."""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__, needs="keras", extra="keras")
