"""Windows over a series of measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.utils.dataset import Dataset

__all__ = ["timeseries_dataset_from_array"]

FORMATS = ("tf", "grain")


def timeseries_dataset_from_array(
    data: npt.ArrayLike,
    targets: npt.ArrayLike | None,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Dataset:
    """Batches of windows over a series, each with the target of its first step.

    The window that begins at step ``i`` is ``data[i : i + sequence_length * sampling_rate : sampling_rate]``, its
    target ``targets[i]``. Windows are cut when their batch is asked for, so that a memory map stays in its file.

    Parameters
    ----------
    data : (steps, ...) array_like
    targets : (steps, ...) array_like, optional
        None: the data set holds the windows alone.
    sequence_length : int
        Steps of a window.
    sequence_stride : int
        Steps from the beginning of one window to that of the next.
    sampling_rate : int
        Steps of the series for one step of a window.
    batch_size : int, optional
        None: single windows.
    shuffle : bool
        Draw the windows in a new order for each pass.
    seed : int, optional
        For the order.
    start_index, end_index : int, optional
        Only the steps from the first to the one before the last of them are used.
    format : {"tf", "grain"}
        In Keras's signature; the data set is fastgru's own either way.

    Returns
    -------
    Dataset
        Of ``(windows, targets)`` or ``windows``: (batch, sequence_length, ...) and (batch, ...).

    Raises
    ------
    ValueError
        An index or a rate is out of range.
    """
    series = np.asanyarray(data)  # a memory map stays one
    labels = None if targets is None else np.asanyarray(targets)
    count = len(series)
    first, end = _checked_range(start_index, end_index, count)
    checks.positive_integer(sequence_length, "timeseries_dataset_from_array", "sequence_length")
    _check_rates(sampling_rate, sequence_stride, count)
    if format not in FORMATS:
        raise ValueError(f'`format` should be either "tf" or "grain", got {format!r}.')
    windows = end - first - (sequence_length - 1) * sampling_rate
    if labels is not None:
        windows = min(windows, len(labels) - first)
    begins = np.arange(first, first + max(windows, 0), sequence_stride)
    steps = np.arange(0, sequence_length * sampling_rate, sampling_rate)

    def windows_from(rows: Any) -> Any:
        x = np.asarray(series[begins[rows, np.newaxis] + steps])
        return x if labels is None else (x, np.asarray(labels[begins[rows]]))

    return Dataset(len(begins), windows_from, batch_size, shuffle, seed)


def _checked_range(start_index: int | None, end_index: int | None, count: int) -> tuple[int, int]:
    if start_index is not None and start_index < 0:
        raise ValueError(f"`start_index` must be 0 or greater, got {start_index}.")
    if start_index is not None and start_index >= count:
        raise ValueError(f"`start_index` must be lower than the length of the data, {count}, got {start_index}.")
    first = start_index or 0
    if end_index is None:
        return first, count
    if end_index <= first:
        raise ValueError(f"`end_index` must be higher than `start_index`, {first}, got {end_index}.")
    if end_index >= count:
        raise ValueError(f"`end_index` must be lower than the length of the data, {count}, got {end_index}.")
    return first, end_index


def _check_rates(sampling_rate: int, sequence_stride: int, count: int) -> None:
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if value <= 0:
            raise ValueError(f"`{name}` must be higher than 0, got {value}.")
        if value >= count:
            raise ValueError(f"`{name}` must be lower than the length of the data, {count}, got {value}.")
