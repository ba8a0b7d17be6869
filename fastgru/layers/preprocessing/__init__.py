"""Layers that make numbers of data as people have them: scaled, in bins, looked up, counted."""

from fastgru.layers.preprocessing.category_encoding import CategoryEncoding
from fastgru.layers.preprocessing.discretization import Discretization
from fastgru.layers.preprocessing.hashing import Hashing
from fastgru.layers.preprocessing.integer_lookup import IntegerLookup
from fastgru.layers.preprocessing.normalization import Normalization
from fastgru.layers.preprocessing.rescaling import Rescaling
from fastgru.layers.preprocessing.string_lookup import StringLookup
from fastgru.layers.preprocessing.text_vectorization import TextVectorization
from fastgru.moved import attributes

__all__ = [
    "CategoryEncoding",
    "Discretization",
    "Hashing",
    "IntegerLookup",
    "Normalization",
    "Rescaling",
    "StringLookup",
    "TextVectorization",
]


def __dir__() -> list[str]:
    return __all__


__getattr__ = attributes(__name__)
