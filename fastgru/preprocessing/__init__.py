"""What old programs find in `keras.preprocessing`: texts and sequences before they come to a model."""

from fastgru.preprocessing import sequence, text, timeseries
from fastgru.utils.text_dataset import text_dataset_from_directory
from fastgru.utils.timeseries import timeseries_dataset_from_array

__all__ = ["sequence", "text", "text_dataset_from_directory", "timeseries", "timeseries_dataset_from_array"]


def __dir__() -> list[str]:
    return __all__
