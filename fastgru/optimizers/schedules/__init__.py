"""Learning rates that depend on the number of updates, as Keras has them."""

from fastgru.optimizers.schedules.cosine import CosineDecay, CosineDecayRestarts
from fastgru.optimizers.schedules.decay import ExponentialDecay, InverseTimeDecay
from fastgru.optimizers.schedules.piecewise import PiecewiseConstantDecay
from fastgru.optimizers.schedules.polynomial import PolynomialDecay
from fastgru.optimizers.schedules.schedule import LearningRateSchedule, deserialize, serialize

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]


def __dir__() -> list[str]:
    return __all__
