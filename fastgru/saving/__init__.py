"""Keras's model files, read and written: `.keras`, `.weights.h5` and legacy `.h5`."""

from fastgru import moved
from fastgru.saving.api import load_model, load_weights, model_from_json, save_model, save_weights
from fastgru.saving.build import register
from fastgru.saving.report import ModelFileError, ModelFileMissing

__all__ = [
    "ModelFileError",
    "ModelFileMissing",
    "load_model",
    "load_weights",
    "model_from_json",
    "register",
    "save_model",
    "save_weights",
]

__getattr__ = moved.attributes(__name__)


def __dir__() -> list[str]:
    return __all__
