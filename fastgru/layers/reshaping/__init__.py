"""Layers that move numbers and leave them as they are."""

from fastgru.layers.reshaping.padding import Cropping1D, Cropping2D, ZeroPadding1D, ZeroPadding2D
from fastgru.layers.reshaping.reshaping import Flatten, Permute, RepeatVector, Reshape
from fastgru.layers.reshaping.up_sampling import UpSampling1D, UpSampling2D
from fastgru.moved import attributes

__all__ = [
    "Cropping1D",
    "Cropping2D",
    "Flatten",
    "Permute",
    "RepeatVector",
    "Reshape",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
]


def __dir__() -> list[str]:
    return __all__


__getattr__ = attributes(__name__)
