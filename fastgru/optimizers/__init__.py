"""SGD, RMSprop and Adam as Keras has them: its names, defaults, configs and saved variables."""

from fastgru import lazy, registry

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
registry.offer("keras.optimizers", __name__)
