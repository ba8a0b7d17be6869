"""Keras's model files, read and written: `.keras`, `.weights.h5` and legacy `.h5`."""

from fastgru.saving.api import load_model, load_weights, model_from_json, save_model, save_weights
from fastgru.saving.configs import register
from fastgru.saving.errors import ModelFileError, ModelFileMissing

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


def __dir__() -> list[str]:
    return __all__
