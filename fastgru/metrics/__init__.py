"""Keras's metrics: numbers over all samples since the last reset, and the functions that they are made of."""

from fastgru import lazy, registry

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
registry.offer("keras.metrics", __name__)
