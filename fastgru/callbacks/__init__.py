"""Keras's callbacks: objects that `fit`, `evaluate` and `predict` call at fixed moments."""

from __future__ import annotations

from fastgru.callbacks.callback import Callback, CallbackList, History, LambdaCallback
from fastgru.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from fastgru.callbacks.logging import CSVLogger
from fastgru.callbacks.monitors import EarlyStopping, ModelCheckpoint, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
