"""What a model is fed: checked once by `samples`, then cut, cast and gathered once, batch by batch, by `Batches`.

``__init__.pyi`` lists the names, each of which is loaded when it is first used: a prediction of one batch needs few.
"""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
