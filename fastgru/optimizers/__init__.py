"""The optimizers as Keras has them: its names, defaults, configs and saved variables."""

from __future__ import annotations

from fastgru.optimizers import schedules
from fastgru.optimizers.adadelta import Adadelta
from fastgru.optimizers.adafactor import Adafactor
from fastgru.optimizers.adagrad import Adagrad
from fastgru.optimizers.adam import Adam
from fastgru.optimizers.adamax import Adamax
from fastgru.optimizers.adamw import AdamW
from fastgru.optimizers.ftrl import Ftrl
from fastgru.optimizers.identifiers import deserialize, get, serialize
from fastgru.optimizers.lamb import Lamb
from fastgru.optimizers.lion import Lion
from fastgru.optimizers.loss_scale_optimizer import LossScaleOptimizer
from fastgru.optimizers.muon import Muon
from fastgru.optimizers.nadam import Nadam
from fastgru.optimizers.optimizer import Optimizer
from fastgru.optimizers.rmsprop import RMSprop
from fastgru.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from fastgru.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]


def __dir__() -> list[str]:
    return __all__
