"""Layers that bring their inputs to one scale."""

from fastgru.layers.normalization.normalization import BatchNormalization, GroupNormalization, LayerNormalization
from fastgru.layers.preprocessing import UnitNormalization

__all__ = ["BatchNormalization", "GroupNormalization", "LayerNormalization", "UnitNormalization"]
