"""An activation as a layer of its own, with options or weights."""

from fastgru.layers.activations.activation import Activation
from fastgru.layers.activations.rectifiers import ELU, LeakyReLU, PReLU, ReLU
from fastgru.layers.activations.softmax import Softmax

__all__ = ["ELU", "Activation", "LeakyReLU", "PReLU", "ReLU", "Softmax"]


def __dir__() -> list[str]:
    return __all__
