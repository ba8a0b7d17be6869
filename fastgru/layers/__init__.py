"""The layers, under Keras's names, each loaded when it is first used; ``__init__.pyi`` lists them."""

from fastgru import lazy, registry

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
registry.offer(registry.LAYERS, __name__)
