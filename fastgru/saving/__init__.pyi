# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.object_registration import CustomObjectScope as CustomObjectScope
from fastgru.object_registration import custom_object_scope as custom_object_scope
from fastgru.object_registration import get_custom_objects as get_custom_objects
from fastgru.object_registration import get_registered_name as get_registered_name
from fastgru.object_registration import get_registered_object as get_registered_object
from fastgru.object_registration import register as register
from fastgru.object_registration import register_keras_serializable as register_keras_serializable
from fastgru.saving.api import load_model as load_model
from fastgru.saving.api import load_weights as load_weights
from fastgru.saving.api import model_from_json as model_from_json
from fastgru.saving.api import save_model as save_model
from fastgru.saving.api import save_weights as save_weights
from fastgru.saving.exporting import export_model as export_model
from fastgru.saving.report import ModelFileError as ModelFileError
from fastgru.saving.report import ModelFileMissing as ModelFileMissing
from fastgru.serialization import deserialize_keras_object as deserialize_keras_object
from fastgru.serialization import serialize_keras_object as serialize_keras_object
