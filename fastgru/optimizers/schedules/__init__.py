"""Learning rates that depend on the number of updates, as Keras has them."""

from fastgru import lazy, registry

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
registry.offer("keras.optimizers.schedules", __name__)
