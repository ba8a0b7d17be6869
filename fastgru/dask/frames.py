"""Predictions of Dask's frames and series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru.dask.blocks import answer
from fastgru.models import Model
from fastgru.types import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_frame", "predict_frame"]


def is_frame(collection: Any) -> bool:
    """Whether it is a frame or a series of Dask, told without importing them."""
    return hasattr(collection, "map_partitions") and hasattr(collection, "divisions")


def predict_frame(network: Model, on_worker: Any, collection: Any, options: dict[str, Any]) -> Any:
    """The answers to a frame's rows, as `fastgru.dask.predict` describes them; `on_worker` is the model as a task."""
    shape = network.input_shape
    if isinstance(shape, (list, dict)):
        raise ValueError(
            f"fastgru.dask.predict: expected a model of one input for a frame, {network.name!r} has {len(shape)}; pass "
            "a list or dict of Dask's arrays."
        )
    sample = _sample_shape(collection, shape[1:])
    answer_of_one = answer(_rows(collection._meta_nonempty.iloc[:1], sample), network, **options)
    if not isinstance(answer_of_one, np.ndarray) or answer_of_one.ndim != 2:
        raise ValueError(
            "fastgru.dask.predict: expected a model that answers a row with a vector, whose numbers are columns then; "
            f"{network.name!r} answers otherwise; pass Dask's arrays."
        )
    columns = dict.fromkeys(range(answer_of_one.shape[1]), answer_of_one.dtype)
    return collection.map_partitions(_answer_frame, on_worker, sample, options, meta=columns)


def _sample_shape(collection: Any, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """The shape of a sample that a row holds, as the model reads it."""
    numbers = len(collection.columns) if collection.ndim == 2 else 1
    known = math.prod(size for size in shape if size is not None)
    unknown = shape.count(None)
    if unknown > 1 or numbers % known or (not unknown and numbers != known):
        raise ValueError(
            f"fastgru.dask.predict: expected as many columns as make a sample of the shape {shape}, got {numbers}; "
            "select the columns that the model reads."
        )
    return tuple(numbers // known if size is None else size for size in shape)


def _rows(rows: pd.DataFrame | pd.Series[Any], sample: tuple[int, ...]) -> Array:
    dtypes = [rows.dtype] if rows.ndim == 1 else rows.dtypes
    if any(dtype.kind not in "biuf" for dtype in dtypes):
        numbers: Array = rows.to_numpy(object if rows.ndim == 1 else None)
    else:
        numbers = rows.to_numpy()
        if numbers.dtype == object:  # of truths beside numbers, and of dtypes with pandas.NA
            numbers = rows.to_numpy("float64", na_value=np.nan)
    return numbers.reshape(len(rows), *sample)


def _answer_frame(rows: Any, model: Model, sample: tuple[int, ...], options: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(answer(_rows(rows, sample), model, **options), index=rows.index)
