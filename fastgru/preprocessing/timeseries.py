"""Windows over series, under the name that they had in Keras 2."""

from fastgru.utils.timeseries import timeseries_dataset_from_array

__all__ = ["timeseries_dataset_from_array"]


def __dir__() -> list[str]:
    return __all__
