# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.callbacks.progbar import Progbar as Progbar
from fastgru.data.py_dataset import PyDataset as PyDataset
from fastgru.data.py_dataset import Sequence as Sequence
from fastgru.object_registration import CustomObjectScope as CustomObjectScope
from fastgru.object_registration import custom_object_scope as custom_object_scope
from fastgru.object_registration import get_custom_objects as get_custom_objects
from fastgru.object_registration import get_registered_name as get_registered_name
from fastgru.object_registration import get_registered_object as get_registered_object
from fastgru.object_registration import register_keras_serializable as register_keras_serializable
from fastgru.serialization import deserialize_keras_object as deserialize_keras_object
from fastgru.serialization import serialize_keras_object as serialize_keras_object
from fastgru.utils.files import get_file as get_file
from fastgru.utils.numerical import normalize as normalize
from fastgru.utils.numerical import to_categorical as to_categorical
from fastgru.utils.plotting import model_to_dot as model_to_dot
from fastgru.utils.plotting import plot_model as plot_model
from fastgru.utils.sequences import pad_sequences as pad_sequences
from fastgru.utils.session import clear_session as clear_session
from fastgru.utils.session import set_random_seed as set_random_seed
from fastgru.utils.splitting import split_dataset as split_dataset
from fastgru.utils.text_dataset import text_dataset_from_directory as text_dataset_from_directory
from fastgru.utils.timeseries import timeseries_dataset_from_array as timeseries_dataset_from_array
