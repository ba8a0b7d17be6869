# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.callbacks.callback import Callback as Callback
from fastgru.callbacks.callback import CallbackList as CallbackList
from fastgru.callbacks.callback import History as History
from fastgru.callbacks.callback import LambdaCallback as LambdaCallback
from fastgru.callbacks.learning_rate import LearningRateScheduler as LearningRateScheduler
from fastgru.callbacks.learning_rate import ReduceLROnPlateau as ReduceLROnPlateau
from fastgru.callbacks.logging import CSVLogger as CSVLogger
from fastgru.callbacks.monitors import EarlyStopping as EarlyStopping
from fastgru.callbacks.monitors import ModelCheckpoint as ModelCheckpoint
from fastgru.callbacks.monitors import TerminateOnNaN as TerminateOnNaN

__all__: list[str]
