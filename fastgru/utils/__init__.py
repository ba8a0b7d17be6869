"""What a Keras user finds in `keras.utils`."""

from fastgru.utils.files import get_file
from fastgru.utils.numerical import normalize, to_categorical
from fastgru.utils.sequences import pad_sequences
from fastgru.utils.session import clear_session, set_random_seed
from fastgru.utils.splitting import split_dataset
from fastgru.utils.text_dataset import text_dataset_from_directory
from fastgru.utils.timeseries import timeseries_dataset_from_array

__all__ = [
    "clear_session",
    "get_file",
    "normalize",
    "pad_sequences",
    "set_random_seed",
    "split_dataset",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
]


def __dir__() -> list[str]:
    return __all__
