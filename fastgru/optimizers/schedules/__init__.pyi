# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.optimizers.schedules.cosine import CosineDecay as CosineDecay
from fastgru.optimizers.schedules.cosine import CosineDecayRestarts as CosineDecayRestarts
from fastgru.optimizers.schedules.decay import ExponentialDecay as ExponentialDecay
from fastgru.optimizers.schedules.decay import InverseTimeDecay as InverseTimeDecay
from fastgru.optimizers.schedules.piecewise import PiecewiseConstantDecay as PiecewiseConstantDecay
from fastgru.optimizers.schedules.polynomial import PolynomialDecay as PolynomialDecay
from fastgru.optimizers.schedules.schedule import LearningRateSchedule as LearningRateSchedule
from fastgru.optimizers.schedules.schedule import deserialize as deserialize
from fastgru.optimizers.schedules.schedule import serialize as serialize

__all__: list[str]
