"""Model files: Keras's, read and written, and those of others, read; ``__init__.pyi`` lists the names."""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
