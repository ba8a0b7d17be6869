# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.callbacks.backup_and_restore import BackupAndRestore as BackupAndRestore
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
from fastgru.callbacks.progbar_logger import ProgbarLogger as ProgbarLogger
from fastgru.callbacks.remote_monitor import RemoteMonitor as RemoteMonitor
from fastgru.callbacks.swap_ema_weights import SwapEMAWeights as SwapEMAWeights
from fastgru.callbacks.tensorboard import TensorBoard as TensorBoard

__all__: list[str]
