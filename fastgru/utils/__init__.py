"""What a Keras user finds in `keras.utils`, each loaded when it is first used; ``__init__.pyi`` lists the names."""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
