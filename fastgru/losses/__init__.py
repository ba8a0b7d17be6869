"""Keras's losses, each with the gradient by the predictions."""

from fastgru import lazy, registry

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
registry.offer("keras.losses", __name__)
