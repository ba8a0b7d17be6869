"""Keras's ops: on arrays of numbers, under a gradient tape, and on the symbolic tensors of a graph."""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
