"""Convolutions over steps and over images."""

from fastgru.layers.convolutional.conv import Conv1D, Conv2D
from fastgru.layers.convolutional.depthwise import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D

__all__ = ["Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"]


def __dir__() -> list[str]:
    return __all__
