# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.optimizers import schedules as schedules
from fastgru.optimizers.adadelta import Adadelta as Adadelta
from fastgru.optimizers.adafactor import Adafactor as Adafactor
from fastgru.optimizers.adagrad import Adagrad as Adagrad
from fastgru.optimizers.adam import Adam as Adam
from fastgru.optimizers.adamax import Adamax as Adamax
from fastgru.optimizers.adamw import AdamW as AdamW
from fastgru.optimizers.ftrl import Ftrl as Ftrl
from fastgru.optimizers.identifiers import deserialize as deserialize
from fastgru.optimizers.identifiers import get as get
from fastgru.optimizers.identifiers import serialize as serialize
from fastgru.optimizers.lamb import Lamb as Lamb
from fastgru.optimizers.lion import Lion as Lion
from fastgru.optimizers.loss_scale_optimizer import LossScaleOptimizer as LossScaleOptimizer
from fastgru.optimizers.multi_optimizer import MultiOptimizer as MultiOptimizer
from fastgru.optimizers.multi_optimizer import OptimizerMap as OptimizerMap
from fastgru.optimizers.muon import Muon as Muon
from fastgru.optimizers.nadam import Nadam as Nadam
from fastgru.optimizers.optimizer import Optimizer as Optimizer
from fastgru.optimizers.rmsprop import RMSprop as RMSprop
from fastgru.optimizers.schedule_free_adamw import ScheduleFreeAdamW as ScheduleFreeAdamW
from fastgru.optimizers.sgd import SGD as SGD

__all__: list[str]
