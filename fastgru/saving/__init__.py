"""Model files: Keras's, read and written, and those of TensorFlow and PyTorch, read."""

from fastgru import moved
from fastgru.object_registration import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register,
    register_keras_serializable,
)
from fastgru.saving.api import load_model, load_weights, model_from_json, save_model, save_weights
from fastgru.saving.exporting import export_model
from fastgru.saving.report import ModelFileError, ModelFileMissing
from fastgru.serialization import deserialize_keras_object, serialize_keras_object

__all__ = [
    "CustomObjectScope",
    "ModelFileError",
    "ModelFileMissing",
    "custom_object_scope",
    "deserialize_keras_object",
    "export_model",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "model_from_json",
    "register",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

__getattr__ = moved.attributes(__name__)


def __dir__() -> list[str]:
    return __all__
