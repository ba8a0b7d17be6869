"""Layers that work against overfitting: dropout, noise, a penalty for outputs."""

from fastgru.layers.regularization.activity_regularization import ActivityRegularization
from fastgru.layers.regularization.dropout import Dropout
from fastgru.layers.regularization.noise import (
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
)

__all__ = [
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "SpatialDropout1D",
    "SpatialDropout2D",
]


def __dir__() -> list[str]:
    return __all__
