"""Models: layers that are trained and saved together, under Keras's names; ``__init__.pyi`` lists them."""

from fastgru import lazy, registry

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
registry.offer(registry.MODELS, __name__, ("Functional", "Sequential"))
registry.offer(registry.OPERATIONS, "fastgru.operations")
