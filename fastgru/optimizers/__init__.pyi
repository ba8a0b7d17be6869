# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.optimizers.adam import Adam as Adam
from fastgru.optimizers.identifiers import get as get
from fastgru.optimizers.optimizer import Optimizer as Optimizer
from fastgru.optimizers.rmsprop import RMSprop as RMSprop
from fastgru.optimizers.sgd import SGD as SGD

__all__: list[str]
