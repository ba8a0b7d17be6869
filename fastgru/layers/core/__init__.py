"""What every network begins with: inputs, Dense, Embedding, masks, and what wraps a layer."""

from fastgru.layers.core.dense import Dense
from fastgru.layers.core.embedding import Embedding
from fastgru.layers.core.identity import Identity
from fastgru.layers.core.input_layer import Input, InputLayer
from fastgru.layers.core.masking import Masking

__all__ = ["Dense", "Embedding", "Identity", "Input", "InputLayer", "Masking"]


def __dir__() -> list[str]:
    return __all__
