"""Keras's callbacks: objects that `fit`, `evaluate` and `predict` call at fixed moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastgru.callbacks.backup_and_restore import BackupAndRestore
from fastgru.callbacks.callback import Callback, CallbackList, History, LambdaCallback
from fastgru.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from fastgru.callbacks.logging import CSVLogger
from fastgru.callbacks.monitors import EarlyStopping, ModelCheckpoint, TerminateOnNaN
from fastgru.callbacks.tensorboard import TensorBoard
from fastgru.moved import attributes

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # which would take every name for one of this module
    __getattr__ = attributes(__name__)
