"""Layers that bring their inputs to one scale."""

from fastgru.layers.normalization.batch_normalization import BatchNormalization
from fastgru.layers.normalization.group_normalization import GroupNormalization
from fastgru.layers.normalization.layer_normalization import LayerNormalization
from fastgru.layers.normalization.unit_normalization import UnitNormalization
from fastgru.moved import attributes

__all__ = [
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "UnitNormalization",
]


def __dir__() -> list[str]:
    return __all__


__getattr__ = attributes(__name__)
